"""What the repository promises of itself: no address of this or that machine, pinned locks, a clean wheel."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
import zipfile
from pathlib import Path

import pytest

from tests.documents import MARKDOWN, ROOT, TRACKED, anchors, links

_LONG = 400
_JOINED = [  # written apart, so that this file does not hold what it looks for
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry.npm" + "js.org",
    "registry." + "yarnpkg.com",
    "deb." + "debian.org",
    "/work/" + "main",
    "/work/" + "shared",
    "/tmp/" + "ws",
    "/root/" + ".",
    "/opt/" + "wheels",
]


def _pyproject() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return ""


def _python(folder: str) -> list[Path]:
    return [path for path in TRACKED if path.suffix == ".py" and folder in path.relative_to(ROOT).parts[:1]]


def test_no_file_names_a_registry_or_a_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in TRACKED
        for word in _JOINED
        if path.is_file() and word in _text(path)
    ]
    assert found == []


def test_no_file_runs_by_being_installed() -> None:
    """S1: a .pth file in site-packages runs at every start of the interpreter."""
    bad = {".pth", ".pyc", ".so", ".whl"}
    assert [path for path in TRACKED if path.suffix in bad] == []
    assert not {"sitecustomize.py", "usercustomize.py"} & {path.name for path in TRACKED}


def test_S1_the_wheel_holds_our_packages_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path in TRACKED:
        if (
            path.relative_to(ROOT).parts[0] in {"src", "pyproject.toml", "README.md", "LICENSE"}
            and path.is_file()
        ):
            copy = source / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    done = subprocess.run([*build, "--wheel-dir", str(tmp_path), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    version = wheel.name.split("-")[1]
    roots = {name.split("/")[0] for name in names}
    assert roots == {"way", "waystation", f"waystation-{version}.dist-info"}
    assert [name for name in names if name.endswith((".pth", ".pyc", ".so"))] == []
    packaged = {name for name in names if not name.startswith("waystation-")}
    expected = {
        path.relative_to(ROOT / "src").as_posix() for path in TRACKED if path.is_relative_to(ROOT / "src")
    }
    assert packaged == expected, "what is in the packages' folders is what is installed"


def test_every_python_file_says_what_it_is_for() -> None:
    """And those that have grown long are named, for a reviewer to look at; length alone fails nothing."""
    silent = []
    for path in [*_python("src"), *_python("bench")]:
        text = _text(path)
        if len(text.splitlines()) > _LONG:
            warnings.warn(f"{path.relative_to(ROOT)} has {len(text.splitlines())} lines", stacklevel=1)
        if text.strip() and not ast.get_docstring(ast.parse(text)):
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_each_room_has_a_door_that_says_what_it_promises() -> None:
    rooms = [
        path for path in TRACKED if path.name == "__init__.py" and path.parent.parent.name == "waystation"
    ]
    assert len(rooms) >= 10
    assert [room for room in rooms if not ast.get_docstring(ast.parse(_text(room)))] == []


def test_the_licence_is_apache_2() -> None:
    assert "Apache License" in _text(ROOT / "LICENSE")[:200]
    project = _pyproject()["project"]
    assert isinstance(project, dict)
    assert project["license"] == "Apache-2.0"


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-dev.lock", "requirements-frameworks.lock"]
)
def test_each_pinned_package_has_its_hashes(lock: str) -> None:
    text = _text(ROOT / lock)
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", text).strip())
    assert len(entries) > 30
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in text


def test_the_locks_have_every_dependency_that_is_declared() -> None:
    project = _pyproject()["project"]
    assert isinstance(project, dict)
    extras = project["optional-dependencies"]
    for lock, declared in (
        ("requirements-dev.lock", [*project["dependencies"], *extras["dev"]]),
        ("requirements-frameworks.lock", extras["frameworks"]),
    ):
        pinned = set(re.findall(r"(?m)^([a-z0-9._-]+)==", _text(ROOT / lock)))
        assert set(map(_normal, declared)) - pinned == set(), "run scripts/lock.sh"


def test_each_dependency_has_its_line_of_reasons() -> None:
    project = _pyproject()["project"]
    assert isinstance(project, dict)
    page = _text(ROOT / "docs/decisions/dependencies.md").lower()
    named = set(re.findall(r"(?m)^\| `([a-z0-9._-]+)`", page))
    assert {_normal(name) for name in project["dependencies"]} - named == set()


def test_the_coding_tools_are_pinned_by_hash_and_name_no_registry() -> None:
    lock = json.loads(_text(ROOT / "tests/clients/package-lock.json"))
    wanted = json.loads(_text(ROOT / "tests/clients/package.json"))
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted["dependencies"].values())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert {f"node_modules/{name}" for name in wanted["dependencies"]} <= packages.keys()
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        target, _, anchor = link.partition("#")
        there = (page.parent / target).resolve() if target else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_found_from_the_readme() -> None:
    found, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in found or page.suffix != ".md" or not page.is_file():
            continue
        found.add(page)
        todo += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
    lost = set(MARKDOWN) - found - {page for page in MARKDOWN if "evidence" in page.parts}
    assert {str(page.relative_to(ROOT)) for page in lost} == set()


@pytest.mark.parametrize("command", ["start", "test", ".ci/run", "bench/run", "scripts/lock.sh"])
def test_commands_can_be_run(command: str) -> None:
    path = ROOT / command
    assert os.access(path, os.X_OK)
    shell = _text(path).splitlines()[0].removeprefix("#!").split()[-1].rpartition("/")[2]
    assert subprocess.run([shell, "-n", str(path)], capture_output=True).returncode == 0


def test_the_two_commands_are_in_the_readme() -> None:
    readme = _text(ROOT / "README.md")
    assert "\n./start\n" in readme
    assert "\n./test\n" in readme


def _normal(requirement: str) -> str:
    """The package's name as locks write it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!;~]", requirement, maxsplit=1)[0]).lower()
