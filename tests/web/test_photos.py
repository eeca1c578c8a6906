"""Photos and drawn faces: what is edited, what is left, and what is said where nothing can be."""

import numpy as np
import pytest
from pages import EYES_AND_MOUTH, change_around_eyes
from PIL import Image

from tooling.server import served

pytestmark = pytest.mark.slow


def test_uploaded_photo_keeps_its_size_and_its_background(
    models_folder, visit, astronaut, tmp_path
):
    large = Image.fromarray(astronaut).resize((1536, 1536), Image.Resampling.LANCZOS)
    large.save(tmp_path / "astronaut.png")
    landmarks = (EYES_AND_MOUTH + 0.5) * 3 - 0.5
    with served(models_folder) as address:
        visited = visit(address)
        visited.wait_for_result()
        for direction in ("add", "remove"):
            number = visited.upload(tmp_path / "astronaut.png")
            visited.wait_for_result(number)
            if direction == "remove":
                visited.choose("remove")
            before, after = visited.before_and_after()
            assert np.array_equal(before, np.asarray(large))
            eyes, elsewhere = change_around_eyes(before, after, landmarks)
            assert elsewhere == 0
            if direction == "add":
                assert eyes > 3
        assert visited.picture(".pictures figure:nth-child(1) canvas").shape == (256, 256, 3)
        visited.nothing_left()


def test_crop_is_the_one_that_python_cuts(site, visit, astronaut, tmp_path):
    """Both find the face with detectors of their own; the crops agree to a pixel or two."""
    from helpers import alignment

    Image.fromarray(astronaut).save(tmp_path / "astronaut.png")
    visited = visit(site)
    visited.wait_for_result()
    visited.wait_for_result(visited.upload(tmp_path / "astronaut.png"))
    crop = visited.picture(".pictures figure:nth-child(1) canvas").astype(int)
    ours = alignment.crop_face(astronaut, alignment.similarity(EYES_AND_MOUTH))
    far = alignment.crop_face(astronaut, alignment.similarity(EYES_AND_MOUTH + [6, 6]))
    assert np.abs(crop - ours).mean() < 0.6 * np.abs(far.astype(int) - ours).mean()


def test_photo_turned_by_exif_is_shown_upright(site, visit, astronaut, tmp_path):
    upright = Image.fromarray(astronaut).crop((0, 0, 512, 400))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: turn by 90 degrees clockwise
    upright.rotate(90, expand=True).save(tmp_path / "phone.jpg", exif=exif, quality=95)
    visited = visit(site)
    visited.wait_for_result()
    assert visited.wait_for_result(visited.upload(tmp_path / "phone.jpg"))["faces"] == "1"
    before, after = visited.before_and_after()
    assert before.shape == (400, 512, 3)
    assert np.abs(before - np.asarray(upright).astype(int)).mean() < 4
    eyes, elsewhere = change_around_eyes(before, after, EYES_AND_MOUTH)
    assert eyes > 3 and elsewhere == 0


def test_every_face_of_a_group_is_edited(site, visit, astronaut, tmp_path):
    face = Image.fromarray(astronaut).crop((110, 0, 340, 230))
    group = Image.new("RGB", (800, 400), (120, 130, 140))
    places = [(60, 80), (500, 60)]
    for place in places:
        group.paste(face, place)
    group.save(tmp_path / "group.png")
    visited = visit(site)
    visited.wait_for_result()
    assert visited.wait_for_result(visited.upload(tmp_path / "group.png"))["faces"] == "2"
    before, after = visited.before_and_after()
    for place in places:
        eyes, _ = change_around_eyes(before, after, EYES_AND_MOUTH - [110, 0] + place)
        assert eyes > 3


def test_what_was_asked_for_last_is_shown(site, visit):
    """A photo that takes long to come takes the place of no later photo, nor of the camera."""
    held = []
    visited = visit(site)
    page = visited.page
    number = int(visited.wait_for_result()["result"])
    page.route("**/face-2.jpg", lambda route: held.append(route))

    def release():
        with page.expect_response("**/face-2.jpg"):
            held.pop().continue_()
        page.wait_for_timeout(500)  # what should not happen would happen now

    page.get_by_role("button", name="Drawn face 2").click()
    page.get_by_role("button", name="Drawn face 3").click()
    number = int(visited.wait_for_result(number)["result"])
    third = visited.picture("canvas.before")
    release()
    assert np.array_equal(visited.picture("canvas.before"), third)

    page.get_by_role("button", name="Drawn face 2").click()
    page.get_by_role("button", name="Use camera").click()
    page.get_by_text("Live.").wait_for()
    page.evaluate("""() => {
        const main = document.querySelector("main");
        const canvas = document.querySelector("canvas.before");
        window.widths = new Set();
        new MutationObserver(() => widths.add(canvas.width)).observe(main, { attributes: true });
    }""")
    release()
    visited.wait_for_result(int(visited.data["result"]) + 1)
    assert page.evaluate("[...widths]") == [640]
    assert page.get_by_text("Live.").count() == 1


def test_a_strength_that_is_changed_while_the_face_is_looked_for_counts(site, visit):
    visited = visit(site)
    number = int(visited.wait_for_result()["result"])
    visited.page.evaluate("""() => {
        const main = document.querySelector("main");
        const slider = document.querySelector("input[aria-label=Strength]");
        const { set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
        new MutationObserver((_, observer) => {
            if (main.dataset.state !== "working" || "faces" in main.dataset) return;
            observer.disconnect();
            set.call(slider, slider.min);
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        }).observe(main, { attributes: true });
    }""")
    visited.page.get_by_role("button", name="Drawn face 4").click()
    visited.wait_for_result(number + 1)
    before, after = visited.before_and_after()
    assert (before == after).all()


def test_slider_starts_beside_the_edit(site, visit, astronaut, tmp_path):
    """The whole edit is seen, and that the picture can be compared is said until it was."""
    Image.fromarray(astronaut).save(tmp_path / "astronaut.png")
    visited = visit(site)
    page = visited.page
    visited.wait_for_result()
    visited.wait_for_result(visited.upload(tmp_path / "astronaut.png"))
    slider = page.get_by_role("slider", name="Share of the picture")
    before, after = visited.before_and_after()
    changed = np.flatnonzero((before != after).any(axis=(0, 2)))
    start = int(slider.input_value())
    assert 10 < start <= 100 * changed.min() / 512
    clip = page.eval_on_selector("canvas.after", "canvas => getComputedStyle(canvas).clipPath")
    assert f"{start}%" in clip
    assert page.get_by_text("Drag to compare").count() == 1
    slider.fill("70")
    assert page.get_by_text("Drag to compare").count() == 0
    page.get_by_role("button", name="Drawn face 2").click()
    visited.wait_for_result()
    assert int(slider.input_value()) < 50


def scene(face, side, place, canvas=(640, 480), light=1.0):
    """Put a face of so many pixels into a larger picture."""
    picture = Image.new("RGB", canvas, (120, 130, 140))
    picture.paste(face.resize((side, side), Image.Resampling.LANCZOS), place)
    return picture.point(lambda value: int(value * light))


# What is offered to the page: the message that comes, and words in it.
PICTURES = {
    "text.jpg": ("photo-unreadable", "text.jpg"),
    "empty.png": ("photo-empty", "empty.png"),
    "cut.jpg": ("photo-unreadable", "cut.jpg"),
    "phone.heic": ("photo-heic", "most compatible"),
    "hills.png": ("no-face", "looks towards the camera"),
    "night.png": ("too-dark", "Turn on a light"),
    # Edited all the same:
    "dim.png": ("too-dark", "Turn on a light"),
    "far.png": ("face-small", "Come closer"),
    "half.png": ("face-cut", "into the middle"),
}


@pytest.fixture(scope="module")
def pictures(astronaut, tmp_path_factory):
    """Write every file of PICTURES."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "text.jpg").write_text("not a picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    y, x = np.mgrid[:300, :400]
    hills = np.stack([x / 2, 90 + 40 * np.sin(x / 40) + y / 4, y / 2], -1).clip(0, 255)
    Image.fromarray(hills.astype(np.uint8)).save(folder / "hills.png")
    Image.fromarray((hills / 12).astype(np.uint8)).save(folder / "night.png")
    face = Image.fromarray(astronaut).crop((110, 0, 340, 230))
    face.save(folder / "cut.jpg")
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[:100])
    scene(face, 230, (205, 125), light=0.12).save(folder / "dim.png")
    scene(face, 60, (300, 200)).save(folder / "far.png")
    scene(face, 230, (-80, 125)).save(folder / "half.png")
    return folder


def test_every_picture_gets_its_message_and_the_page_goes_on(site, visit, pictures):
    visited = visit(site)
    visited.wait_for_result()
    for name, (code, words) in PICTURES.items():
        number = visited.upload(pictures / name)
        assert words in visited.wait_for_problem(code), name
        if not code.startswith("photo"):
            visited.page.wait_for_function(
                "n => document.querySelector('main').dataset.result > n", arg=number
            )
        edited = name in ("dim.png", "far.png", "half.png")
        assert visited.data["state"] == ("ready" if edited else "problem"), name
        assert not edited or visited.data["faces"] == "1", name
        number = int(visited.data["result"])
        visited.page.get_by_role("button", name="Drawn face 2").click()
        visited.page.locator(".notice").wait_for(state="detached")
        assert visited.wait_for_result(number)["faces"] == "1", name


def test_photo_of_50_megapixels_is_reduced_and_edited(site, visit, astronaut, tmp_path):
    """To what every browser's canvas can hold, phones included."""
    large = Image.fromarray(astronaut).resize((7072, 7072), Image.Resampling.BILINEAR)
    large.save(tmp_path / "large.jpg", quality=80)
    visited = visit(site)
    visited.wait_for_result()
    assert visited.wait_for_result(visited.upload(tmp_path / "large.jpg"))["faces"] == "1"
    left, top = (EYES_AND_MOUTH[0] * 8 - 100).astype(int).tolist()
    read = """(canvas, [x, y]) => [canvas.width, canvas.height,
        ...canvas.getContext("2d").getImageData(x, y, 200, 200).data]"""
    before, after = (
        np.array(visited.page.eval_on_selector(f"canvas.{name}", read, [left, top]))
        for name in ("before", "after")
    )
    assert before[:2].tolist() == after[:2].tolist() == [4096, 4096]
    assert np.abs(before - after)[2:].mean() > 3


def test_unusual_pictures_are_edited(site, visit, astronaut, tmp_path):
    face = Image.fromarray(astronaut)
    see_through = face.convert("RGBA")
    see_through.paste((255, 0, 0, 0), (400, 0, 512, 512))
    see_through.save(tmp_path / "alpha.png")
    second = Image.new("RGB", (512, 512), "blue")
    face.save(tmp_path / "film.gif", save_all=True, append_images=[second], duration=20, loop=0)
    white = np.where(np.arange(512)[:, None] < 400, astronaut, 255)
    visited = visit(site)
    visited.wait_for_result()
    for name, expected in {"alpha.png": white, "film.gif": astronaut}.items():
        assert visited.wait_for_result(visited.upload(tmp_path / name))["faces"] == "1", name
        before, after = visited.before_and_after()
        assert np.abs(before - expected.astype(int)).mean() < 8, name
        eyes, elsewhere = change_around_eyes(before, after, EYES_AND_MOUTH)
        assert eyes > 3 and elsewhere == 0, name


def test_style_of_what_is_added_is_chosen(site, visit, camera_frame):
    """A slider draws other rings on the face that was found; live, on the frames that come."""
    visited = visit(site)
    page = visited.page
    number = int(visited.wait_for_result()["result"])
    slider = page.get_by_role("slider", name="Shade")
    assert slider.get_attribute("aria-valuetext") == "as it suits"
    suits = visited.picture("canvas.after").astype(int)

    slider.focus()
    page.keyboard.press("End")
    number = int(visited.wait_for_result(number)["result"])
    before, after = visited.before_and_after()
    rings = (suits != before).any(axis=2)
    # 1 of [-1, 1] is 127.5 grey levels, less where the mask is not 1; nothing else changes.
    brighter = (after - suits)[rings]
    assert 100 < np.quantile(brighter, 0.99) < 150 and brighter.min() > -8
    assert abs(after.astype(int) - before)[~rings].max() < 12

    page.get_by_role("button", name="Surprise me").click()
    visited.wait_for_result(number)
    number = int(visited.data["result"])
    page.get_by_role("button", name="As it suits").click()
    visited.wait_for_result(number)
    assert np.array_equal(visited.picture("canvas.after"), suits)

    # A style stays with its model: another attribute has none, and coming back finds it again.
    slider.focus()
    page.keyboard.press("End")
    visited.choose("hat")
    assert slider.count() == 0
    visited.choose("glasses")
    assert slider.get_attribute("aria-valuetext") == "1.00"
    visited.choose("remove")
    assert slider.count() == 0
    visited.choose("add")

    frame, landmarks = camera_frame
    eyes = np.round(landmarks[:2]).astype(int)
    page.get_by_role("button", name="Use camera").click()
    page.get_by_text("Live.").wait_for()

    def brightness():
        (x0, y0), (x1, y1) = eyes.min(axis=0) - 40, eyes.max(axis=0) + 40
        return visited.picture("canvas.after")[y0:y1, x0:x1].mean()

    bright = brightness()
    slider.focus()
    page.keyboard.press("Home")
    visited.wait_for_result(int(visited.data["result"]) + 2)
    assert brightness() < bright - 10
    assert visited.errors == []
