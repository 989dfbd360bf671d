"""A YAML file as plain data: every value has its place, and what YAML would turn into something else is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from brownout.harness.base.pydantic_errors import Problem
from brownout.harness.errors import FileError, UsageError
from brownout.harness.experiment.yaml_file import FileErrors, read_document


def document(tmp_path, text):
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return read_document(path)


# Not YAML at all, or not text.
BROKEN = [
    (b"", 1, 1, "the file is empty"),
    (b"# nothing yet\n", 1, 1, "the file is empty"),
    (b"a:\n\tb: 1\n", 2, 1, "never with tabs"),
    (b"a: [1, 2\nb: 3\n", 2, 2, "not valid YAML"),
    (b"a: {b: 1\n", 2, 1, "not valid YAML"),
    (b"title: one: two\n", 1, 11, "must be in quotes"),
    (b'title: "open\n', 2, 1, "not valid YAML"),
    (b"a: 1\n b: 2\n", 2, 3, "not valid YAML"),
    (b"a: *nowhere\n", 1, 4, "undefined alias"),
    (b"a: &a [*a]\n", 1, 4, "contain itself"),
    (b"a: !!python/object:os.system x\n", 1, 4, "tags are not allowed"),
    (b"a: 1\n---\nb: 2\n", 2, 1, "one experiment per file"),
    (b"title: caf\xe9\n", 1, 11, "not UTF-8"),
    ("a: 1\n".encode("utf-16"), 1, 1, "not UTF-8"),
    (b"a: 1\nb: \x00\n", 2, 4, r"U\+0000"),
    (b"a: " + b"[" * 60 + b"]" * 60, 1, 45, "nested too deeply"),
    (b"a: " + b"[" * 2000 + b"]" * 2000, 1, 45, "nested too deeply"),
    (b"a: &a " + b"[" * 25 + b"]" * 25 + b"\nb: " + b"[" * 25 + b"*a" + b"]" * 25, 1, 22, "nested deeper than 40"),
    (b"a: !!int x\n", 1, 4, "tags are not allowed"),
    (b"a: !!str 5\n", 1, 4, "tags are not allowed"),
    (b'a: "\\uD800"\n', 1, 4, r"U\+D800"),
    (b'a: {"\\a": 1}\n', 1, 5, r"U\+0007"),
    (
        b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 10)) for n in range(6)),
        0,
        0,
        "grows beyond",
    ),
]


@pytest.mark.parametrize(("raw", "line", "column", "words"), BROKEN, ids=[row[3] + str(n) for n, row in enumerate(BROKEN)])
def test_a_file_that_is_not_yaml_says_where_and_why(tmp_path, raw, line, column, words):
    """No traceback of a library: a place, what is wrong, and where there is one a way out."""
    path = tmp_path / "plan.yaml"
    path.write_bytes(raw)
    with pytest.raises(FileError) as caught:
        read_document(path)
    found = caught.value
    assert not line or (found.line, found.column) == (line, column)
    assert re.search(words, str(found)), str(found)


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    """A slip in the name of a file gets the file that is there."""
    (tmp_path / "plan.yaml").touch()
    with pytest.raises(UsageError, match=r"there is no file(.|\n)*did you mean .*plan\.yaml"):
        read_document(tmp_path / "paln.yaml")


def test_a_missing_folder_is_told(tmp_path):
    """When even the folder is not there, that is what is said."""
    with pytest.raises(UsageError, match="there is no folder"):
        read_document(tmp_path / "nowhere" / "plan.yaml")


def test_a_folder_is_not_a_file(tmp_path):
    """Naming a folder gets the files in it."""
    (tmp_path / "plan.yaml").touch()
    with pytest.raises(UsageError, match=r"is a folder(.|\n)*plan\.yaml"):
        read_document(tmp_path)


def test_a_huge_file_is_refused(tmp_path):
    """An experiment is a page or two."""
    with pytest.raises(UsageError, match="bytes"):
        document(tmp_path, "#" * 1_000_001)


def test_several_flaws_are_told_together_in_the_order_of_the_file(tmp_path):
    """A key that is there twice and a time without quotes are both named."""
    with pytest.raises(FileErrors) as caught:
        document(tmp_path, "a: 1\na: 2\nb: 12:30\n")
    assert [(error.line, error.column) for error in caught.value.errors] == [(2, 1), (3, 4)]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 2024-07-12\n", {"a": "2024-07-12"}),
        ('a: "12:30"\n', {"a": "12:30"}),
        ("a: 12:30:x\n", {"a": "12:30:x"}),
        ("a: &b [1]\nc: *b\n", {"a": [1], "c": [1]}),
        ("a: &b {x: 1}\nc: {<<: *b, y: 2}\n", {"a": {"x": 1}, "c": {"x": 1, "y": 2}}),
    ],
)
def test_a_sound_file_is_plain_data(tmp_path, text, data):
    """Dates stay text, quoted times too, and aliases and merges are followed."""
    assert document(tmp_path, text).data == data


@pytest.mark.parametrize(
    ("path", "at_key", "place"),
    [
        (("a", "b"), False, (1, 8)),
        (("a", "b"), True, (1, 5)),
        (("c", 1), False, (2, 8)),
        (("c",), False, (2, 1)),
        (("a", "missing", "deeper"), False, (1, 1)),
        ((), False, (1, 1)),
    ],
)
def test_a_problem_points_at_its_value_or_at_what_is_around_it(tmp_path, path, at_key, place):
    """A word is pointed at itself, a table or list at its key, and what the file does not have at the nearest that it has."""
    error = document(tmp_path, "a: {b: 1}\nc: [x, y]\n").error(Problem(path, "is wrong", at_key=at_key))
    assert (error.line, error.column) == place


@pytest.mark.parametrize(
    ("written", "read", "plain"),
    [
        ("010", "8", "10"),
        ("0600", "384", "600"),
        ("-010", "-8", "-8"),
        ("0x1F", "31", "31"),
        ("0b11", "3", "3"),
        ("1_000", "1000", "1000"),
        ("12:30", "750", '"12:30"'),
        ("1:30.5", "90.5", '"1:30.5"'),
    ],
)
def test_a_number_that_yaml_1_1_reads_otherwise_is_refused_with_both_ways_to_write_it(tmp_path, written, read, plain):
    """Octal, hexadecimal and sexagesimal numbers are never guessed at."""
    with pytest.raises(FileError) as caught:
        document(tmp_path, f"a: {written}\n")
    assert f"{written} without quotes is the number {read} in YAML 1.1" in str(caught.value)
    assert caught.value.hint.startswith(f"write {plain}, or ")
    assert (caught.value.line, caught.value.column) == (1, 4)


@pytest.mark.parametrize(("word", "meant"), [("yes", "true"), ("On", "true"), ("no", "false"), ("OFF", "false")])
def test_a_word_that_yaml_1_1_turns_into_true_or_false_is_refused(tmp_path, word, meant):
    """Whichever was meant, there is a way to write it that every reader understands."""
    with pytest.raises(FileError, match=f"reads {word} without quotes as {meant}") as caught:
        document(tmp_path, f"a: {word}\n")
    assert caught.value.hint == f'write {meant}, or "{word}" where text is meant'


@pytest.mark.parametrize("number", [".inf", "-.INF", ".nan", "1.0e+400", "9" * 20, "9" * 5000, "0." + "9" * 5000])
def test_a_number_is_finite_and_fits_sixty_four_bits(tmp_path, number):
    """It is refused at its place, in a line that is short."""
    with pytest.raises(FileError, match="number") as caught:
        document(tmp_path, f"a: [{number}]\n")
    assert (caught.value.line, caught.value.column) == (1, 5)
    assert max(map(len, str(caught.value).splitlines())) < 250


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-3", -3),
        ("0", 0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1.0e+3", 1000.0),
        ("true", True),
        ("010.x", "010.x"),
        ("y", "y"),
    ],
)
def test_a_decimal_number_is_what_it_says(tmp_path, text, value):
    """Numbers, true and false that YAML 1.1 and 1.2 agree on are taken."""
    assert document(tmp_path, f"a: {text}\n").data == {"a": value}


def test_what_is_no_file_is_refused_at_once(tmp_path):
    """A pipe without a writer, a device without an end and a name that cannot be are told, and nothing waits for them."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path / ("x" * 5_000), tmp_path / "a\0b"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_document(path)


def test_a_long_line_is_cut_around_the_culprit(tmp_path):
    """The caret stays under it."""
    text = "a: [" + "x, " * 100 + "culprit]\n"
    error = document(tmp_path, text).error(Problem(("a", 100), "is wrong"))
    _, source, caret = str(error).splitlines()
    assert len(source) < 130
    assert source[caret.index("^") :].startswith("culprit]")


def test_one_failure_is_itself_and_several_are_one_error(tmp_path):
    """Several problems are told in the order of the file, whatever the order in which they were found."""
    made = document(tmp_path, "a: 1\nb: 2\n")
    assert isinstance(made.failure((Problem(("b",), "is wrong"),)), FileError)
    several = made.failure((Problem(("b",), "is wrong"), Problem(("a",), "is wrong")))
    assert isinstance(several, FileErrors)
    assert [error.line for error in several.errors] == [1, 2]
