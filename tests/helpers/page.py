"""What a browser would see of a page."""

from __future__ import annotations

from html.parser import HTMLParser

EMPTY_TAGS = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """What a browser would see: tags, attributes, and the words of each row and element."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self._path: list[str] = []
        self.feed(text)
        self.close()
        assert not self._path, "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY_TAGS:
            self._path.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._path.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._path:
            return
        self.words.append(data)
        if {"td", "th"} & set(self._path):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def sections(self) -> list[str | None]:
        return [attrs["id"] for tag, attrs in self.tags if tag == "section" and "id" in attrs]
