"""`python3 test_refrom_block.py BODY_FILE`: against a body that refrom wrote, and against bodies that it did not."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

READER = pathlib.Path(__file__).with_name("refrom_block.py")
OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64
WRITTEN_BY_REFROM = None


def block(**changes):
    pin = {"file": "Dockerfile", "line": 3, "image": "dhi.io/nginx", "tag": "1.27", "old": OLD, "new": NEW}
    pin.update(changes)
    whole = {"version": 1, "commit": "a" * 40, "comment": "update", "withdrawn": False, "pins": [pin]}
    # As refrom writes it: no text inside ends the comment.
    text = json.dumps(whole).replace("--", "-\\u002d").replace("<", "\\u003c").replace(">", "\\u003e")
    return f"<!-- refrom {text} -->"


def run(body, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "body.md"
        path.write_bytes(body if isinstance(body, bytes) else body.encode())
        return subprocess.run([sys.executable, READER, path, *arguments], capture_output=True, text=True, check=False)


class Reader(unittest.TestCase):
    def test_what_refrom_wrote_is_read(self):
        result = run(WRITTEN_BY_REFROM)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        read = json.loads(result.stdout)
        self.assertEqual(read["version"], 1)
        self.assertEqual(read["dockerfiles"], ["Dockerfile"])
        pin = {key: read["pins"][2][key] for key in ("file", "line", "image", "tag")}
        self.assertEqual(pin, {"file": "Dockerfile", "line": 8, "image": "dhi.io/nginx", "tag": "1.27-alpine"})
        self.assertEqual(result.stdout.count("\n"), 1)

    def test_the_text_around_does_not_matter(self):
        body = f"Hello\r\n<!-- note -->\r\n<!-- refromage {{}} -->{block()}\r\n> {block()}\r\n"
        self.assertEqual(run(body).returncode, 0)

    def test_hostile_values_are_refused_and_not_repeated(self):
        evil = "$(touch /tmp/x)"
        for change in (
            {"file": "../../etc/passwd"},
            {"file": "/etc/passwd"},
            {"file": "a/../b"},
            {"file": "./a"},
            {"file": "-v"},
            {"file": "a/-v"},
            {"file": f"a{evil}"},
            {"file": "a\n::set-output name=x::y"},
            {"file": "a'b"},
            {"file": "x" * 2000},
            {"file": ""},
            {"line": 0},
            {"line": True},
            {"line": "3"},
            {"image": f"dhi.io/{evil}"},
            {"image": "dhi.io/a;b"},
            {"tag": evil},
            {"tag": "1 2"},
            {"tag": "1\n"},
            {"old": OLD + "0"},
            {"new": NEW.upper()},
            {"new": None},
        ):
            with self.subTest(change):
                result = run(block(**change))
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                self.assertNotIn(evil, result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1)

    def test_what_is_no_block_is_refused(self):
        for body in (
            "",
            "text",
            "<!-- refrom -->",
            "<!-- refrom nonsense -->",
            "<!-- refrom [] -->",
            "<!-- refrom {} -->",
            '<!-- refrom {"version":2,"pins":[]} -->',
            '<!-- refrom {"version":true,"pins":[]} -->',
            '<!-- refrom {"version":1,"pins":[]} -->',
            "<!-- refrom " + "[" * 100_000 + " -->",
            block() + block(tag="1.28"),
            b"\xff\xfe<!-- refrom \xff -->",
            " " * (4 * 1024 * 1024 + 1),
        ):
            with self.subTest(body[:60]):
                result = run(body)
                self.assertEqual((result.returncode, result.stdout), (1, ""))

    def test_a_block_of_other_files_is_stale(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "Dockerfile"
            self.assertEqual(run(block(), "--root", folder).returncode, 3)
            file.write_text(f"FROM dhi.io/nginx@{OLD}\n")
            self.assertEqual(run(block(), "--root", folder).returncode, 3)
            file.write_text(f"FROM dhi.io/nginx@{NEW}\n")
            self.assertEqual(run(block(), "--root", folder).returncode, 0)
        self.assertEqual(run(block(), "--head", "a" * 40).returncode, 0)
        self.assertEqual(run(block(), "--head", "b" * 40).returncode, 3)

    def test_only_dockerfiles_are_built(self):
        for file, is_built in (
            ("Dockerfile", True),
            ("images/web/Containerfile", True),
            ("Dockerfile.dev", True),
            ("Dockerfile-dev", True),
            ("web.dockerfile", True),
            ("Makefile", False),
            ("main.tf", False),
        ):
            read = json.loads(run(block(file=file)).stdout)
            self.assertEqual(read["dockerfiles"], [file] if is_built else [], file)


if __name__ == "__main__":
    WRITTEN_BY_REFROM = pathlib.Path(sys.argv.pop(1)).read_bytes()
    unittest.main()
