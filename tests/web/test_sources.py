"""The page's sources: no two import each other, by however many others, and none is long."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "web" / "src"
MOST_LINES = 500

# import x from "y"; import type, export from; import "y"; and, wherever it stands, import("y").
IMPORT = re.compile(
    r"""^(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']"""
    r"""|^import\s*["']([^"']+)["']"""
    r"""|\bimport\(\s*["']([^"']+)["']""",
    re.MULTILINE,
)


def imports(folder):
    """Return for each source in a folder which others it imports; a type counts as well."""
    folder = folder.resolve()  # as imported files are
    sources = [path for path in folder.rglob("*") if path.suffix in (".ts", ".tsx")]
    return {
        path.relative_to(folder).as_posix(): [
            other.relative_to(folder).as_posix()
            for names in IMPORT.findall(path.read_text("utf-8"))
            if (other := imported(path, "".join(names))) in sources
        ]
        for path in sources
    }


def imported(path, name):
    """Return the file that is meant by a name in an import, or nothing if it is a package's."""
    name = name.split("?")[0]  # after it stands how Vite should import it
    if not name.startswith(".") or "node_modules" in name:
        return None
    whole = (path.parent / name).resolve()
    for suffix in ("", ".ts", ".tsx"):
        if (other := whole.with_name(whole.name + suffix)).is_file():
            return other
    raise FileNotFoundError(f"{path.name} imports {name}, which is not there")


def circle(folder):
    """Return sources of which each imports the next, the last being the first; or nothing."""
    try:
        TopologicalSorter(imports(folder)).prepare()
    except CycleError as error:
        return " > ".join(error.args[1][::-1])
    return ""


def test_no_source_imports_itself_by_way_of_others():
    assert circle(SOURCES) == ""
    assert {"tasks.ts", "worker.ts"} <= set(imports(SOURCES)["engine.ts"])


@pytest.mark.parametrize(
    "line",
    [
        'import { a } from "../a";',
        'import type { A } from "../a";',
        'import {\n  a,\n  type A,\n} from "../a";',
        'import a, * as all from "../a.ts";',
        'import "../a";',
        'import address from "../a?worker&url";',
        'export * from "../a";',
        'export type { A } from "../a";',
        'const later = () => import("../a");',
    ],
)
def test_a_circle_is_found_and_named(tmp_path, line):
    (tmp_path / "parts").mkdir()
    (tmp_path / "a.ts").write_text('import React from "react";\nimport { B } from "./parts/B";\n')
    (tmp_path / "parts" / "B.tsx").write_text('import "./b.css";\nimport { c } from "./c";\n')
    (tmp_path / "parts" / "b.css").write_text("")
    (tmp_path / "parts" / "c.ts").write_text('export const a = 1; // not from "../a";\n')
    assert circle(tmp_path) == ""
    (tmp_path / "parts" / "c.ts").write_text(f'import {{ d }} from "d";\n{line}\n')
    names = circle(tmp_path)
    assert set(names.split(" > ")) == {"a.ts", "parts/B.tsx", "parts/c.ts"}
    assert "a.ts > parts/B.tsx" in names


def test_no_source_is_long():
    lines = {
        path.name: path.read_text("utf-8").count("\n")
        for path in SOURCES.rglob("*")
        if path.is_file()
    }
    assert len(lines) > 30
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
