"""The words of the pocket suite and the one fact the suite knows about each of them."""

from __future__ import annotations

SENTIMENT: dict[str, tuple[str, ...]] = {
    "positive": tuple(
        "lovely superb splendid charming wonderful graceful pleasant perfect delightful brilliant "
        "excellent cheerful glorious pretty fabulous elegant amazing friendly marvellous "
        "adorable".split()
    ),
    "negative": tuple(
        "awful dreadful horrid nasty terrible ugly boring broken hideous dismal "
        "rotten gloomy vile filthy useless lousy shabby annoying pathetic miserable".split()
    ),
}

CATEGORY: dict[str, tuple[str, ...]] = {
    "animal": tuple(
        "otter badger camel goat tiger rabbit donkey beaver monkey zebra wolf hamster".split()
    ),
    "fruit": tuple(
        "apple pear plum mango grape melon peach apricot papaya orange kiwi fig".split()
    ),
    "tool": tuple(
        "hammer mallet drill wrench chisel shovel rake pliers axe spanner ladder "
        "screwdriver".split()
    ),
    "clothing": tuple(
        "jacket scarf shirt skirt glove sock hat sweater coat trousers dress sandal".split()
    ),
}

TOPIC: dict[str, tuple[str, ...]] = {
    "sport": tuple("goal racket referee stadium medal tennis puck hurdle coach trophy".split()),
    "music": tuple("guitar violin drum flute melody piano trumpet concert choir rhythm".split()),
    "weather": tuple(
        "storm cloud thunder hail drizzle breeze rainbow blizzard fog sunshine".split()
    ),
    "school": tuple(
        "pupil homework exam teacher lesson pencil blackboard diploma essay recess".split()
    ),
}

COLOUR: dict[str, tuple[str, ...]] = {
    "red": tuple("tomato ruby brick cherry poppy lobster ketchup chilli radish blood".split()),
    "yellow": tuple(
        "lemon banana canary butter mustard daffodil honey duckling corn sunflower".split()
    ),
    "green": tuple(
        "grass frog cucumber pea lettuce emerald cactus spinach broccoli clover".split()
    ),
    "white": tuple("snow milk salt swan pearl flour chalk ivory cotton sugar".split()),
}

PLACE: dict[str, tuple[str, ...]] = {
    "indoors": tuple(
        "kitchen attic cellar bathroom library bedroom hallway lobby "
        "studio pantry office elevator closet chapel parlour basement".split()
    ),
    "outdoors": tuple(
        "garden forest meadow desert valley orchard harbour swamp "
        "jungle pasture field canyon courtyard vineyard river park".split()
    ),
}

NAMES: tuple[str, ...] = tuple(
    "Anna Ben Clara David Emma Felix Greta Hugo Ines Jonas Karla Leo "
    "Mia Nora Oscar Paula Ruben Sofia Tom Ursula Victor Wanda Yann Zoe".split()
)

VERBS: tuple[str, ...] = tuple("found saw drew hid lost kept sold left".split())

OPPOSITE_PAIRS: tuple[tuple[str, str], ...] = (
    ("hot", "cold"),
    ("big", "small"),
    ("fast", "slow"),
    ("wet", "dry"),
    ("old", "young"),
    ("high", "low"),
    ("hard", "soft"),
    ("bright", "dark"),
    ("full", "empty"),
    ("early", "late"),
    ("rich", "poor"),
    ("loud", "quiet"),
    ("thick", "thin"),
    ("near", "far"),
    ("open", "closed"),
    ("clean", "dirty"),
    ("sweet", "sour"),
    ("long", "short"),
    ("wide", "narrow"),
    ("strong", "weak"),
)
OPPOSITE: dict[str, str] = {
    **{left: right for left, right in OPPOSITE_PAIRS},
    **{right: left for left, right in OPPOSITE_PAIRS},
}

# The toy language "Zubo": forty nouns, ten of each category, and one invented word for each.
ZUBO: dict[str, str] = dict(
    zip(
        [word for words in CATEGORY.values() for word in words[:10]],
        "balu dobi kime luno mera nosu pita rado suki tevo "
        "vopa zaki bamo dote kira luba meno nozi pidu rasu "
        "sulo teba vomi zaru bapi doku kivo lute mezo nogu "
        "piko rane suva temi voda zabu bisu daro koli lepa".split(),
        strict=True,
    )
)

PLURAL: dict[str, str] = {
    **{
        word: word + "s"
        for word in (
            "otter badger camel goat tiger rabbit donkey beaver monkey zebra apple pear plum mango "
            "hammer mallet drill jacket shirt skirt glove sock hat coat guitar violin drum cloud"
        ).split()
    },
    "wolf": "wolves",
    "peach": "peaches",
    "scarf": "scarves",
    "dress": "dresses",
    "axe": "axes",
    "wrench": "wrenches",
    "trophy": "trophies",
    "canary": "canaries",
    "cherry": "cherries",
    "diploma": "diplomas",
    "chilli": "chillies",
    "coach": "coaches",
}


def invert(groups: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Word to label, from label to words."""
    return {word: label for label, words in groups.items() for word in words}


NOUNS: tuple[str, ...] = tuple(
    word for groups in (CATEGORY, TOPIC, COLOUR) for words in groups.values() for word in words
)
ADJECTIVES: tuple[str, ...] = tuple(word for words in SENTIMENT.values() for word in words)
PLACES: tuple[str, ...] = tuple(word for words in PLACE.values() for word in words)

# What lists are made of: every word that some task asks about or answers with, so that the model
# can read and write all of them, also those whose facts pretraining hides.
LISTED: tuple[str, ...] = (*NOUNS, *ADJECTIVES, *PLACES, *OPPOSITE, *ZUBO.values())
