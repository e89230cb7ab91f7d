"""The task runner: `nox -l` lists what there is."""

from pathlib import Path

import nox

nox.options.default_venv_backend = "none"  # every task runs in the workspace's environment
nox.options.sessions = ["lint", "types", "docs", "tests"]
PACKAGES = sorted(["shared", *(str(p.parent) for p in Path().glob("ta[pr]*s/*/pyproject.toml"))])
PLUGINS = sorted(str(p) for p in Path().glob("ta[pr]*s/*/ta[pr]*_*"))
RUN = ["uv", "run", "--all-packages", "--all-extras"]


@nox.session
def tests(session: nox.Session) -> None:
    """All tests."""
    session.run(*RUN, "pytest", "-n", "auto", *session.posargs)


@nox.session
@nox.parametrize("package", PACKAGES)
def package(session: nox.Session, package: str) -> None:
    """Tests of one package."""
    session.run(*RUN, "pytest", f"{package}/tests", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check with ruff."""
    session.run(*RUN, "ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy, strictly."""
    session.run(*RUN, "mypy", "shared/headwater", *PLUGINS)


@nox.session
def docs(session: nox.Session) -> None:
    """Check that the generated parts of the documentation are up to date."""
    session.run(*RUN, "python", "tests/docs.py", "--check")
    session.run(*RUN, "python", "tests/meltano_yml.py", "--check")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, with peers beside."""
    session.run(*RUN, "python", "bench/run.py", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Put ours and its peers through the fault table."""
    session.run(*RUN, "python", "bench/faults.py", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the demo."""
    session.run(*RUN, "headwater", "demo", *session.posargs)


@nox.session
def meltano(session: nox.Session) -> None:
    """Test with real Meltano."""
    session.run(*RUN, "pytest", "tests/test_meltano.py", *session.posargs)
