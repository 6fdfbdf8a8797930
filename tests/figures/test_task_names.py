from sapo_analysis.figures.task_names import beside_axis


def test_long_names_end_early_and_others_are_written_out():
    long = "task1343_amazon_us_reviews_rating"
    assert beside_axis(["sentiment", long]) == ("sentiment", "task1343_amazon_us_re…")
    exact = "a" * 22
    assert beside_axis([exact, exact + "a"]) == (exact, "a" * 21 + "…")


def test_names_that_begin_alike_lose_their_middle():
    alike = [f"reviews_of_things_that_people_{end}" for end in ("bought", "lent")]
    assert beside_axis([*alike, "sound"]) == (
        "reviews_o…eople_bought",
        "reviews_o…people_lent",
        "sound",
    )


def test_names_that_could_not_be_told_apart_stay_whole():
    alike = [
        f"reviews_of_all_those_old_{middle}_that_people_bought" for middle in ("books", "films")
    ]
    assert beside_axis(alike) == tuple(alike)
    assert beside_axis([alike[0], alike[0]]) == ("reviews_of_all_those…",) * 2
