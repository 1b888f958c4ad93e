"""A hook of the documentation site: files that pages link to and that lie beyond ``docs/``.

On disk, and where repositories are read, such a link leads to the file. The site gets a copy of
it, to which the link is turned.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

_LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]*)")
_BEYOND = "beyond"
"""Folder of the site with the copies."""


def on_files(files: Files, config: Any) -> Files:
    """Add every file beyond ``docs/`` that a page names."""
    root = Path(config.docs_dir).parent
    for page in files.documentation_pages():
        for link in _LINK.findall(page.content_string):
            path = _beyond(page.src_uri, link[1])
            if path and (root / path).is_file() and f"{_BEYOND}/{path}" not in files.src_uris:
                copy = File.generated(
                    config,
                    f"{_BEYOND}/{path}",
                    abs_src_path=str(root / path),
                    inclusion=InclusionLevel.NOT_IN_NAV,
                )
                files.append(copy)
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Turn links that lead beyond ``docs/`` to the copies; to a folder, into plain words."""
    here = posixpath.dirname(page.file.src_uri)

    def turned(match: re.Match[str]) -> str:
        path = _beyond(page.file.src_uri, match[2])
        if not path or f"{_BEYOND}/{path}" not in files.src_uris:
            return match[0]
        return match[1] + posixpath.relpath(f"{_BEYOND}/{path}", here or ".")

    return _LINK.sub(turned, re.sub(r"\[([^]]*)\]\((?:\.\./)+[\w/]*\)", r"\1", markdown))


def _beyond(page: str, link: str) -> str:
    """Return the path in the project that a link of a page leads to, empty where in ``docs/``."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return "" if path.startswith(("docs/", "..")) else path
