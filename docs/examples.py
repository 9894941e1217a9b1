"""Whether the pages say what the program does.

    examples.py REFROM SOURCES PAGES...

Each ```yaml block that begins with `# refrom.yaml` is a configuration without mistakes; each option in a ```console
line is one of that command's; each message in troubleshooting.md stands in the sources; each link leads to a file.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
# Parts of a message that are too short tell nothing.
FRAGMENT_LENGTH_MIN = 6


def ask(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def configuration_faults(refrom, text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "refrom.yaml"
        path.write_text(text, encoding="utf-8")
        result = ask(refrom, "config", "check", str(path))
        return [result.stdout + result.stderr] if result.returncode else []


def command_faults(refrom, text):
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split("#")[0].split()
        if words[:2] != ["$", "refrom"] or len(words) < 3:
            continue
        command = [words[2]] + ([words[3]] if words[2] in ("config", "ledger") else [])
        shown = ask(refrom, *command, "--help")
        for option in (word.split("=")[0] for word in words if word.startswith("--")):
            if shown.returncode or not re.search(rf"{re.escape(option)}\b", shown.stdout):
                yield f"`refrom {' '.join(command)}` has no {option}"


def message_faults(sources, text):
    """The first column of each table; `…` is anything."""
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        for message in re.findall(r"`([^`]+)`", row):
            for fragment in message.split("…"):
                fragment = fragment.strip(" :;,.#")
                if len(fragment) >= FRAGMENT_LENGTH_MIN and fragment not in sources:
                    yield f"no message says `{fragment}`"


def page_faults(refrom, sources, page):
    text = page.read_text(encoding="utf-8")
    for kind, block in BLOCK.findall(text):
        block = re.sub(r"^   ", "", block, flags=re.MULTILINE) if block.startswith("   ") else block
        if kind == "yaml" and block.startswith("# refrom.yaml"):
            yield from configuration_faults(refrom, block)
        if kind == "console":
            yield from command_faults(refrom, block)
    if page.name == "troubleshooting.md":
        yield from message_faults(sources, text)
    for link in LINK.findall(text):
        if not (page.parent / link).exists():
            yield f"no file {link}"


def main():
    refrom, source_folder, places = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    # Texts over several lines are one; quotes inside are escaped.
    sources = "\n".join(path.read_text(encoding="utf-8") for path in sorted(source_folder.rglob("*.rs")))
    sources = re.sub(r"\\\n\s*", "", sources).replace('\\"', '"')
    found = (page for path in map(pathlib.Path, places) for page in ([path] if path.is_file() else path.rglob("*.md")))
    pages = sorted(found)
    faults = [f"{page}: {fault}" for page in pages for fault in page_faults(refrom, sources, page)]
    sys.exit("\n".join(faults) if faults or not pages else 0)


if __name__ == "__main__":
    main()
