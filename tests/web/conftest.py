"""The page as it is built, sites that serve it, and a browser with a webcam.

What is only read is made once. A browser is started for each file of tests: as long as Playwright
runs, no other test of the same process can start it, or an event loop of its own.
"""

import io
import shutil

import numpy as np
import pytest
from pages import EYES_AND_MOUTH, FAKE_CAMERA, Visit, launch, write_stand_ins
from PIL import Image

from tooling.server import served


@pytest.fixture(scope="session")
def page_folder():
    from browser import built_page

    return built_page()


@pytest.fixture(scope="session")
def stand_in_folder(page_folder, tmp_path_factory):
    """The page with models that draw rings."""
    folder = tmp_path_factory.mktemp("site") / "page"
    shutil.copytree(page_folder, folder)
    write_stand_ins(folder / "models")
    return folder


@pytest.fixture(scope="session")
def models_folder(page_folder, stand_in_folder):
    """The page with the course's own models, as long as it has some."""
    return page_folder if (page_folder / "models/manifest.json").is_file() else stand_in_folder


@pytest.fixture(scope="module")
def site(stand_in_folder):
    with served(stand_in_folder) as address:
        yield address


@pytest.fixture(scope="session")
def astronaut():
    from skimage import data

    return data.astronaut()


@pytest.fixture(scope="session")
def camera_frame(astronaut):
    """What the fake webcam shows, (480, 640, 3), and where the eyes and the mouth are in it."""
    frame = np.full((480, 640, 3), 150, np.uint8)
    frame[:, 80:560] = Image.fromarray(astronaut).resize((480, 480), Image.Resampling.LANCZOS)
    return frame, (EYES_AND_MOUTH + 0.5) * 480 / 512 - 0.5 + [80, 0]


@pytest.fixture(scope="module")
def playwright():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def camera_film(camera_frame, tmp_path_factory):
    """Flags for a webcam that plays the astronaut: an .mjpeg is JPEGs one after another."""
    path = tmp_path_factory.mktemp("film") / "astronaut.mjpeg"
    jpeg = io.BytesIO()
    Image.fromarray(camera_frame[0]).save(jpeg, "JPEG", quality=95)
    path.write_bytes(jpeg.getvalue() * 5)
    return [*FAKE_CAMERA, f"--use-file-for-fake-video-capture={path}"]


@pytest.fixture(scope="module")
def browser(playwright, camera_film):
    running = launch(playwright, *camera_film)
    yield running
    running.close()


@pytest.fixture
def visit(browser):
    visits = []

    def open_page(*arguments, browser=browser, **options):
        visits.append(Visit(browser, *arguments, **options))
        return visits[-1]

    yield open_page
    for each in visits:
        each.context.close()
