"""A table of clinical records says the same as the plain file; what it does not say clearly is refused by its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcr.clinical_csv import MAX_LINES, table_records
from pcr.clinical_file import ClinicalEntry, ClinicalFile, parse_clinical_file, read_clinical_file
from pcr.reasons import NotEvaluable

SECRET = "MRN-4711-Doe"
HEADER = "patient_id,accession_number,age,menopausal_status,er,pr,her2"
ENTRY = ClinicalEntry(
    patient_id=SECRET, accession_number="A1", age=55.5, menopausal_status="post", er=True, pr=False, her2=None
)


def parsed(text: str) -> ClinicalFile:
    return parse_clinical_file(text.encode(), ".CSV")


def refusal(text: str) -> str:
    with pytest.raises(NotEvaluable) as caught:
        parsed(text)
    assert caught.value.code == "clinical_record_invalid"
    assert not any(secret in caught.value.message for secret in (SECRET, "4711", "Doe", "661", "perhaps", "HYPERLINK"))
    return caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{SECRET},A1,55.5,post,true,false,\n",
        f"\ufeff{HEADER}\r\n{SECRET},A1,55.5,Post,Positive,NEGATIVE,\r\n",
        f"{HEADER}\n\n {SECRET} , A1, 55.5 ,post,yes,no, \n,,,,,,\n".replace(",", ";"),
        f"{HEADER}\n{SECRET};A1;55,5;post;1;0;\n".replace(HEADER, HEADER.replace(",", ";")),
        f'{HEADER}\n"{SECRET}","A1",55.5,post,1,0,""\n',
    ],
    ids=["plain", "from a spreadsheet", "semicolons and blank lines", "decimal comma", "quotes"],
)
def test_every_way_to_write_a_table_gives_the_same_record(text: str) -> None:
    assert (parsed(text).entries, parsed(text).source) == ((ENTRY,), "clinical.csv")


def test_a_table_may_have_any_field_of_a_record_but_the_list_of_ids() -> None:
    columns = set(ClinicalEntry.model_fields) - {"patient_ids"}
    assert parsed(",".join(sorted(columns)) + "\n").entries == ()


def test_a_birth_date_is_read() -> None:
    assert str(parsed(f"patient_id,birth_date\n{SECRET},1966-01-02\n").entries[0].birth_date) == "1966-01-02"


def test_a_file_is_a_table_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    path.write_text("patient_id,er\nP,1\n")
    assert read_clinical_file(path).entries == (ClinicalEntry(patient_id="P", er=True),)


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (f"{SECRET},A1,661y,post,1,1,1", "age"),
        (f"{SECRET},A1,nan,post,1,1,1", "age"),
        (f"{SECRET},A1,1e1,post,1,1,1", "age"),
        (f"{SECRET},A1,-55,post,1,1,1", "age"),
        (f"{SECRET},A1,55,perhaps,1,1,1", "menopausal_status"),
        (f"{SECRET},A1,55,post,2,1,1", "er"),
        (f'{SECRET},A1,55,post,1,"=HYPERLINK(""x"")",1', "pr"),
        (f"{SECRET},A1,55,post,1,1,equivocal", "her2"),
    ],
)
def test_a_wrong_value_is_named_by_line_and_column(line: str, column: str) -> None:
    assert f"line 3, column {column}" in refusal(f"{HEADER}\nP,A2,50,pre,1,1,1\n{line}\n")


@pytest.mark.parametrize("date", ["02.01.1966", "1966-13-01", "19660102", "1966"])
def test_a_date_in_another_notation_is_refused(date: str) -> None:
    assert "line 2, column birth_date" in refusal(f"birth_date\n{date}\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{SECRET},A1\n", "column 1 of the header line"),
        ("patient_id,\n", "column 2 of the header line"),
        ("er,er\n", "twice"),
        ("", "names a column twice, or none"),
        (f"patient_id,er\n{SECRET}\n", "line 2: it has 1 cells, and the header line 2"),
        (f"patient_id,er\n{SECRET},1,1\n", "line 2: it has 3 cells"),
        (f'patient_id,er\n"{SECRET},1\n', "check its quotes"),
        (f'patient_id,er\n"{SECRET}"x,1\n', "line 2"),
        (f"patient_id,er\n{SECRET}4711{'9' * 200_000},1\n", "line 2"),
        (f"patient_id,age\n{SECRET},5", "cut off"),
    ],
)
def test_what_is_no_table_of_records_is_refused(text: str, told: str) -> None:
    assert told in refusal(text)


def test_a_table_in_another_encoding_is_refused() -> None:
    with pytest.raises(NotEvaluable, match="not UTF-8"):
        parse_clinical_file("patient_id\nMüller\n".encode("latin-1"), ".csv")


def test_a_table_of_a_million_lines_is_refused_before_it_is_read() -> None:
    with pytest.raises(NotEvaluable, match=f"more than {MAX_LINES:,} lines"):
        table_records("er\n" + "1\n" * 1_000_000)


def test_a_formula_or_a_path_as_an_id_is_an_id_like_any_other() -> None:
    ids = ["=cmd|' /C calc'!A0", "../../etc/passwd", "@SUM(1)", "a\tb"]
    entries = parsed("patient_id,er\n" + "".join(f"{value},1\n" for value in ids)).entries
    assert [entry.patient_id for entry in entries] == ids
