"""Two rows against each other: the arithmetic of the leaderboard, and every way to name a row."""

import json
import subprocess
import sys

import pytest

from benchmark.schema import IntegrityError, UsageError, card_fingerprint
from leaderboard import compare, load_board
from tests.leaderboard.synthetic import Method, card, digest, records, write_card, write_records, write_results
from tests.support.command import temper


def difference(found, key):
    return next(item for item in found.differences if item.key == key)


def test_against_vanilla_it_agrees_with_the_leaderboard(results):
    found = compare("roast", "vanilla", results)
    section = load_board(results).sections[0]
    row = section.rows[0]
    overall = found.differences[0]
    assert (found.suite, found.backbone, found.seeds) == ("toy@1", "minilm", (0, 1, 2))
    assert f"{100 * overall.change:+.2f}" == row.overall.text
    assert (f"{100 * overall.low:+.2f}", f"{100 * overall.high:+.2f}") == (row.overall.low, row.overall.high)
    assert (overall.verdict, overall.p) == ("better", pytest.approx(float(row.p), abs=1e-4))
    assert [f"{100 * item.change:+.1f}" for item in found.differences[1:]] == [
        row.figures[column.key].change for column in section.perspectives
    ]


def test_the_other_way_round_is_worse_and_a_row_against_itself_is_tied(results):
    forth, back = compare("roast", "vanilla", results), compare("vanilla", "roast", results)
    assert (forth.differences[0].verdict, back.differences[0].verdict) == ("better", "worse")
    assert forth.differences[0].wins == pytest.approx(1 - back.differences[0].wins)
    same = compare("roast", "roast", results).differences[0]
    assert (same.change, same.low, same.high, same.p, same.verdict) == (0, 0, 0, 1, "tied")


def test_less_is_better_where_it_is(results):
    item = difference(compare("roast", "vanilla", results), "calibration")
    assert item.first < item.second
    assert (item.better, item.verdict) == ("down", "better")


def test_rows_without_vanilla_are_compared_too(tmp_path):
    write_results(tmp_path, card(), Method("smart"), Method("roast", gain=0.06))
    assert compare("roast", "smart", tmp_path).differences[0].verdict == "better"


def test_configurations_files_and_folders_name_rows(full_results):
    place = full_results / "toy@1"
    options = {"suite": "toy", "backbone": "minilm"}
    found = compare("roast~alpha=0.6,variant=released", "roast", full_results, **options)
    assert found.first == "roast (alpha=0.6,variant=released)"
    one = compare(str(place / "roast/minilm/seed-1.jsonl"), str(place / "vanilla" / "minilm"), full_results)
    assert (one.first, one.second, one.seeds) == ("roast", "vanilla", (1,))


@pytest.mark.parametrize(
    ("folder", "path", "seeds"),
    [
        ("toy@1/roast/minilm", "seed-1.jsonl", (1,)),
        ("toy@1/roast/minilm", "./", (0, 1, 2)),
        ("toy@1/roast", "../roast/minilm", (0, 1, 2)),
        ("toy@1", "roast/minilm", (0, 1, 2)),
        ("", "toy@1/roast/minilm/seed-1.jsonl", (1,)),
    ],
)
def test_a_path_names_a_row_from_every_folder(results, monkeypatch, folder, path, seeds):
    monkeypatch.chdir(results / folder)
    found = compare(path, "vanilla", results)
    assert (found.first, found.seeds, found.folders) == ("roast", seeds, (str(results), str(results)))


@pytest.mark.parametrize("name", ["published.jsonl", "attacks/textfooler.jsonl", "attacks/seed-0.jsonl"])
def test_a_file_of_a_row_without_its_records_names_no_row(full_results, name):
    file = full_results / "toy@1/roast/minilm" / name
    file.touch()
    with pytest.raises(UsageError, match=f"^{file} holds no measured row; name a record file, a row's folder or a"):
        compare(str(file), "vanilla", full_results, backbone="minilm")


def test_a_row_is_named_with_colons_as_everywhere_else(full_results):
    options = {"suite": "toy", "backbone": "minilm"}
    found = compare("roast:variant=released:alpha=0.6", "roast", full_results, **options)
    assert found.first == "roast (alpha=0.6,variant=released)"


def test_one_seed_gives_no_verdict(results):
    found = compare(str(results / "toy@1/roast/minilm/seed-1.jsonl"), "vanilla", results)
    assert {item.verdict for item in found.differences} == {"unknown"}
    assert "run more seeds" in found.differences[0].reason


def test_the_leaderboards_p_value_is_not_shown_for_other_seeds(results, tmp_path):
    overall = compare(str(results / "toy@1/roast/minilm/seed-1.jsonl"), "vanilla", results).differences[0]
    write_results(tmp_path / "alone", card(), Method(seeds=(1,)), Method("roast", gain=0.06, seeds=(1,)))
    alone = compare("roast", "vanilla", tmp_path / "alone").differences[0]
    assert (overall.change, overall.p, overall.differs) == (alone.change, alone.p, alone.differs)
    assert overall.p != compare("roast", "vanilla", results).differences[0].p


def test_rows_of_two_results_folders_are_compared_where_the_suite_is_one(results, tmp_path):
    write_results(tmp_path / "mine", card(), Method("mine", gain=0.2 - 0.12))
    row = str(tmp_path / "mine" / "toy@1" / "mine" / "minilm")
    assert compare(row, "vanilla", results).differences[0].verdict == "better"
    write_results(tmp_path / "other", card(minimum_seeds=3), Method("mine"))
    row = str(tmp_path / "other" / "toy@1" / "mine" / "minilm")
    with pytest.raises(IntegrityError, match="different states of toy@1"):
        compare(row, "vanilla", results)


def test_rows_of_two_results_folders_need_one_data_set_even_if_the_card_declares_no_hash(tmp_path):
    suite, open_suite = card(), card()
    next(entry for entry in open_suite["tasks"] if entry["id"] == "stores")["data"] = None
    texts = {"vanilla": "one", "roast": "one", "mvp": "other"}
    for name, text in texts.items():
        write_card(tmp_path / name, open_suite)
        for seed in (0, 1):
            found = records(suite, Method(name), seed)
            for record in found:
                record["suite"]["fingerprint"] = card_fingerprint(open_suite)
                if record["task"]["id"] == "stores":
                    record["task"]["data"] = digest(text)
            write_records(tmp_path / name, found)
    folders = [tmp_path / name for name in texts]
    assert compare("roast", "vanilla", *folders).seeds == (0, 1)
    with pytest.raises(IntegrityError, match=r"^mvp and vanilla have different data of stores; measure both on one"):
        compare("mvp", "vanilla", *folders)


@pytest.mark.parametrize(
    ("first", "second", "options", "sentence"),
    [
        ("raost", "vanilla", {}, "There is no row 'raost' in .*Did you mean 'roast'"),
        ("roast", "vanilla", {}, "choose with --suite and --backbone"),
        ("roast", "vanilla", {"suite": "tow"}, "There is no row 'roast' in .* of suite tow"),
        ("rift", "vanilla", {"backbone": "roberta"}, "There is no row 'rift' in .* on roberta"),
        ("no/such/file.jsonl", "vanilla", {}, "is not a record file or a row below a folder with a suite.json"),
    ],
)
def test_what_names_no_pair_of_rows_is_one_sentence(full_results, first, second, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        compare(first, second, full_results, **options)


def test_rows_without_a_common_seed_do_not_compare(tmp_path):
    write_results(tmp_path, card(), Method(seeds=(0,)), Method("roast", seeds=(1,)))
    with pytest.raises(UsageError, match="share no complete seed"):
        compare("roast", "vanilla", tmp_path)


def test_command_prints_a_sentence_a_table_and_json(results):
    shown = temper("compare", "roast", "vanilla", "--results", str(results))
    assert shown.stdout.startswith("roast is significantly better than vanilla: +3.2 points overall.")
    assert "calibration" in shown.stdout
    found = json.loads(temper("compare", "roast", "vanilla", "--results", str(results), "--json").stdout)
    assert [item["key"] for item in found["differences"]][:2] == ["overall", "in-distribution"]
    assert found["differences"][0]["verdict"] == "better"
    wrong = temper("compare", "raost", "vanilla", "--results", str(results))
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)


def test_command_finds_what_a_run_wrote(results, tmp_path):
    work = tmp_path / "work"
    (work / "runs").mkdir(parents=True)
    assert "neither leaderboard/results nor runs/results" in temper("compare", "roast", "vanilla", folder=work).stderr
    results.rename(work / "runs" / "results")
    assert temper("compare", "roast", "vanilla", folder=work).stdout.endswith("Records: runs/results\n")


def test_rows_are_looked_up_in_both_folders_and_both_in_one_where_it_has_them(tmp_path):
    committed, own = tmp_path / "leaderboard" / "results", tmp_path / "runs" / "results"
    write_results(committed, card(), Method(), Method("roast", gain=0.06))
    write_results(own, card(), Method("mine", gain=0.06))
    assert temper("compare", "roast", "vanilla", folder=tmp_path).stdout.endswith("Records: leaderboard/results\n")
    mixed = temper("compare", "mine", "vanilla", folder=tmp_path).stdout
    assert mixed.startswith("mine is significantly better than vanilla")
    assert mixed.endswith("Records: runs/results and leaderboard/results\n")
    write_results(own, card(), Method())
    assert temper("compare", "mine", "vanilla", folder=tmp_path).stdout.endswith("Records: runs/results\n")
    missing = temper("compare", "nine", "vanilla", folder=tmp_path)
    assert "There is no row 'nine' in leaderboard/results or runs/results." in missing.stderr


def test_build_reads_the_leaderboards_folder_and_names_the_other(tmp_path):
    write_results(tmp_path / "leaderboard" / "results", card(), Method())
    write_results(tmp_path / "runs" / "results", card(), Method("mine"))
    built = temper("board", "build", folder=tmp_path)
    assert built.returncode == 0, built.stderr
    assert "Records: leaderboard/results (not runs/results; name it with --results)" in built.stderr
    assert (tmp_path / "leaderboard" / "site" / "index.html").is_file()


@pytest.mark.parametrize(
    "name", ["roast:variant=released:alpha=0.6", "roast:alpha=.60:variant=released", "roast~alpha=0.6,variant=released"]
)
def test_settings_name_a_row_in_any_order_and_numbers_however_written(full_results, name):
    found = compare(name, "vanilla", full_results, suite="toy", backbone="minilm")
    assert found.first == "roast (alpha=0.6,variant=released)"


def test_one_seed_is_one_seed(tmp_path):
    write_results(tmp_path, card(), Method(seeds=(0,)), Method("roast", gain=0.06, seeds=(0,)))
    assert "toy@1 on minilm, seed 0." in temper("compare", "roast", "vanilla", "--results", str(tmp_path)).stdout


def test_command_loads_nothing_heavy(results):
    code = (
        "import sys; from benchmark.cli.main import main\n"
        f"sys.argv = ['temper', 'compare', 'roast', 'vanilla', '--results', {str(results)!r}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'textattack', 'sklearn', 'jinja2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]"
