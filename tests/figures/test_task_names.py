from sapo_analysis.figures.task_names import beside_axis


def test_long_names_end_early_and_others_are_written_out():
    long = "task1343_amazon_us_reviews_rating"
    assert beside_axis(["sentiment", long]) == ("sentiment", "task1343_amazon_us_re…")
    exact = "a" * 22
    assert beside_axis([exact, exact + "a"]) == (exact, "a" * 21 + "…")


def test_names_that_could_not_be_told_apart_stay_whole():
    alike = [f"reviews_of_things_that_people_{end}" for end in ("bought", "lent")]
    assert beside_axis(alike) == tuple(alike)
    assert beside_axis([alike[0], alike[0]]) == ("reviews_of_things_tha…",) * 2
