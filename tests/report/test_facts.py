import dataclasses

from fairshrink.report import facts


def texts(table):
    return [[cell.text for cell in row] for body in table.bodies for row in body]


def test_the_data_card_adds_up(five):
    rows = texts(facts.class_counts(five, "sex"))
    counts = five.data.attributes["sex"].counts
    assert rows[0][0] == "akiec"
    assert rows[-2][1:] == [
        f"{sum(c[0] for c in counts):,}",
        f"{sum(c[1] for c in counts):,}",
        f"{sum(map(sum, counts)):,}",
    ]
    assert "no known group" in facts.class_counts(five, "sex").note


def test_nobody_unknown_is_said_too(five):
    record = dataclasses.replace(five.data.attributes["sex"], unknown=0)
    data = dataclasses.replace(five.data, attributes={"sex": record})
    assert facts.class_counts(five._replace(data=data), "sex").note == "Every image has a known group."


def test_every_excluded_row_is_counted_and_the_first_are_shown(five):
    reasons, first = facts.excluded(five)
    assert texts(reasons) == [["no image of that name", "30"], ["the same picture as ISIC_0024777", "1"]]
    assert len(texts(first)) == facts.FIRST_ROWS
    assert first.note == "19 more rows are in data.json."


def test_nothing_excluded_makes_no_table(five):
    assert facts.excluded(five._replace(data=dataclasses.replace(five.data, excluded=[]))) == []


def test_steps_that_agree_on_the_unprivileged_group_share_a_table(five):
    (table,) = facts.unprivileged(five)
    assert table.caption.endswith("OBD, FairPrune")
    assert texts(table)[0] == ["fold 0", "0.490", "0.520", "female", "measured"]


def test_a_group_that_was_set_says_so(three):
    stage = three.stages[1]
    one = dataclasses.replace(stage.record.unprivileged[0], measured=False)
    changed = stage._replace(record=dataclasses.replace(stage.record, unprivileged=[one]))
    tables = facts.unprivileged(three._replace(stages=[three.vanilla, changed]))
    assert texts(tables[0])[0][-1] == "set in the experiment"


def test_the_grid_marks_one_candidate_per_fold(five):
    table = facts.candidates(five.stages[2])
    marks = [cell for row in texts(table) for cell in row if cell.startswith("●")]
    assert len(marks) == 5
    assert [row[-1] for row in texts(table)] == [f"{sum(c.startswith('●') for c in row)} of 5" for row in texts(table)]


def test_a_rule_with_a_bound_puts_what_is_beyond_it_in_brackets(mapped):
    stage = mapped.stages[2]
    table = facts.candidates(stage)
    assert [cell.text for cell in table.heads] == [
        "candidate", "fold 0", "fold 1", "fold 2", "mean", "macro F1", "its change", "chosen in"
    ]  # fmt: skip
    assert [len(body) for body in table.bodies] == [3, 3, 3]
    brackets = sum(cell.startswith("(") for row in texts(table) for cell in row)
    assert brackets == sum(not candidate.within for candidate in stage.choice.candidates) > 0
    lost = [candidate for candidate in stage.choice.candidates if candidate.fold]
    some = stage._replace(choice=dataclasses.replace(stage.choice, candidates=[stage.choice.candidates[0], *lost]))
    assert "–" in [row[1] for row in texts(facts.candidates(some))]


def ruled(stage, rule, **of_each):
    """The stage, chosen by another rule; what it would have noted of each candidate."""
    candidates = [
        dataclasses.replace(one, **{key: value(one) for key, value in of_each.items()})
        for one in stage.choice.candidates
    ]
    record = dataclasses.replace(stage.record, rule=rule)
    return stage._replace(choice=dataclasses.replace(stage.choice, rule=rule, candidates=candidates), record=record)


def test_the_front_is_marked(mapped):
    stage = ruled(mapped.stages[2], "pareto:eopp1", front=lambda one: one.candidate % 2 == 0, within=lambda one: True)
    table = facts.candidates(stage)
    marks = sum("◇ " in cell for row in texts(table) for cell in row)
    assert marks == sum(one.front for one in stage.choice.candidates) == 15
    assert table.note.startswith(
        "Area in each fold, on validation; ● marks what was chosen there, ◇ what is on the Pareto front."
    )
    assert [cell.text for cell in table.heads][-4:] == ["EOpp1", "macro F1", "its change", "chosen in"]


def test_the_worst_group_is_the_value_itself(mapped):
    stage = ruled(mapped.stages[2], "worst-group:f1", criteria=lambda one: {"worst_f1": one.f1})
    table = facts.candidates(stage)
    assert table.note.startswith("Lowest macro F1 of a group in each fold")
    assert [cell.text for cell in table.heads][-4:] == ["mean", "macro F1", "its change", "chosen in"]


def test_without_a_grid_there_is_no_table(five):
    assert facts.candidates(five.stages[1]) is None
    assert facts.candidates(five.vanilla) is None


def test_every_seed_is_listed(five):
    assert facts.seeds(five) == {"data.seed": 0, "audit": 0, "train.seed": 0}


def test_splits_have_a_row_per_fold(five):
    assert texts(facts.splits(five))[4] == ["fold 4", "6,009", "2,003", "2,003"]


def test_folds_count_as_the_files_do(mapped):
    names = [f"fold {number}" for number in sorted({one.fold for one in mapped.stages[2].choice.chosen})]
    assert names[0] == "fold 0"
    assert [cell.text for cell in facts.candidates(mapped.stages[2]).heads][1:4] == names
    assert [row[0] for row in texts(facts.unprivileged(mapped)[0])] == names
    assert [row[0] for row in texts(facts.splits(mapped))] == names


def test_a_step_that_treats_groups_alike_does_not_go_by_the_unprivileged_one(channels):
    (table,) = facts.unprivileged(channels)
    assert table.caption == "The unprivileged group, as used by OBD, FairPrune"
    alone = channels._replace(stages=[channels.vanilla, channels.stages[3]])
    (table,) = facts.unprivileged(alone)
    assert table.caption == "The unprivileged group; no step of this run goes by it"
