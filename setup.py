"""Which folders are which packages; the rest about the distribution is in `pyproject.toml`.

The explorer lies in `app/` and the shipped runs in `cached_runs/`, but both are installed inside
the package, as `sapo_analysis.app` and `sapo_analysis.cached_runs`. `pyproject.toml` can find
packages or list them, not find them and map two folders, so the list is made here. An editable
install honours the mapping: the import hook that setuptools installs looks `sapo_analysis.app` up
in `app/`, so `import sapo_analysis.app` works from a clone.
"""

from setuptools import find_namespace_packages, find_packages, setup

setup(
    packages=[
        *find_packages(include=["sapo_analysis", "sapo_analysis.*"]),
        *(f"sapo_analysis.{name}" for name in find_namespace_packages(include=["app", "app.*"])),
        "sapo_analysis.cached_runs",
    ],
    package_dir={"sapo_analysis.app": "app", "sapo_analysis.cached_runs": "cached_runs"},
    package_data={
        "sapo_analysis": ["py.typed", "data/**/*"],
        "sapo_analysis.app": [".streamlit/*.toml", "static/**/*"],
        "sapo_analysis.cached_runs": ["**/*"],
    },
    # The other seeds of the pocket model stay in the repository: a wheel needs one.
    exclude_package_data={"sapo_analysis": ["data/pocket-*/*"]},
)
