"""What commands add to the user's part of the knowledge base."""

from __future__ import annotations

from collections.abc import Mapping

from kb.errors import BadInput
from kb.store.scratch import scratch
from ontune.cli.output import say, write_whole


def add_texts(texts: Mapping[str, str], force: bool) -> None:
    """Add files to the user's part of the knowledge base, if they stand beside what is shipped and added
    already; else nothing is added.

    Raises:
        BadInput: a name is taken, or a file is no Turtle, breaks a shape or contradicts what is known.
    """
    from kb.store.paths import data_home
    from kb.store.sources import shipped_sources, sources_once_added
    from reasoner.knowledge.compile import snapshot_of

    home = data_home() / "kb"
    for name in texts:
        if (home / name).exists() and not force:
            raise BadInput(
                name, "an addition of that name is there already", expected="another name, or --force"
            )
    with scratch("add") as folder:
        files = {name: folder / name for name in texts if name.endswith(".ttl")}
        for name, file in files.items():
            file.write_text(texts[name], encoding="utf-8")
        # It is kept by the names that the files will have: the next plan finds it judged and compiled.
        refused = snapshot_of(shipped_sources(), sources_once_added(files)).refused
    if bad := [
        text.removeprefix(f"{folder}/")
        for source, text in refused.items()
        if source.path.is_relative_to(folder)
    ]:
        raise BadInput("kb add", f"nothing was added: {'; '.join(bad)}")
    home.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(home / name, text)
        say(f"added: {home / name}")
