"""Regular expressions."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
TEXTS = [
    "abc",
    "aab",
    "",
    "b\na",
    "A1 b2",
    "é€é",
    "\U0001f600a",
    b"\xffa\xe2\x82",
    b"\x00a",
    "aaaa",
]
PATTERNS = [
    "a", "a*", "(a)(b)?", "^a", "a$", r"\b", "(?i)A", "[^a]", r"\pL+", ".", "(?s).", "", "a|b|",
    "(?P<n>a)b", "é", r"\C", "a{2,3}", r"\d+", "$", "(?m)^", r"[\w\s]+",
]  # fmt: skip
WRONG = ["(", "a**", "[a", r"\q", "(?=a)", "a{1001}", r"(a)\1", "(?P<n"]


for _pattern in (*PATTERNS, *WRONG):

    @case("RegexFullMatch", pattern=_pattern)
    def full_match(pattern):
        return RAW.RegexFullMatch(input=feed(TEXTS, object), pattern=feed(pattern))

    @case("RegexReplace", pattern=_pattern)
    def replace(pattern):
        return RAW.RegexReplace(
            input=feed(TEXTS, object),
            pattern=feed(pattern),
            rewrite=feed("<\\0>"),
            replace_global=True,
        )


for _pattern in ("a", ".*", "[", ""):

    @case("StaticRegexFullMatch", pattern=_pattern)
    def static_full_match(pattern):
        return RAW.StaticRegexFullMatch(input=feed(TEXTS, object), pattern=pattern)


REWRITES = ["", "X", "<\\0>", "\\2-\\1", "\\\\", "q\\z", "q\\", "[\\1]", "\\0\\0", "\\9", "é\\1"]

for _rewrite in REWRITES:
    for _everywhere in (True, False):

        @case("RegexReplace", rewrite=_rewrite, everywhere=_everywhere)
        def rewrite(rewrite, everywhere):
            return RAW.RegexReplace(
                input=feed(TEXTS, object),
                pattern=feed("(a)(b)?"),
                rewrite=feed(rewrite),
                replace_global=everywhere,
            )

        @case("StaticRegexReplace", rewrite=_rewrite, everywhere=_everywhere)
        def static_replace(rewrite, everywhere, pattern="(a)(b)?"):
            return RAW.StaticRegexReplace(
                input=feed(TEXTS, object),
                pattern=pattern,
                rewrite=rewrite,
                replace_global=everywhere,
            )


for _pattern in ("x*", r"\b", "(", ""):
    case("StaticRegexReplace", rewrite="-", everywhere=True, pattern=_pattern)(static_replace)


@case("RegexReplace", x="scalar", pattern="a")
@case("RegexReplace", x=np.zeros((0, 2), object), pattern="a")
@case("RegexReplace", x=[["a"], ["b"]], pattern="a")
@case("RegexReplace", x=["a"], pattern=["a"])
def replace_shape(x, pattern):
    return RAW.RegexReplace(
        input=feed(x, shape=None), pattern=feed(pattern, shape=None), rewrite=feed("c")
    )


@case("RegexFullMatch", x="scalar", pattern="s.*r")
@case("RegexFullMatch", x=np.zeros((0, 2), object), pattern="a")
@case("RegexFullMatch", x=[["a"], ["b"]], pattern="a")
@case("RegexFullMatch", x=["a"], pattern=["a"])
def full_match_shape(x, pattern):
    return RAW.RegexFullMatch(input=feed(x, shape=None), pattern=feed(pattern, shape=None))
