"""Hash buckets and fingerprints."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(11)
# Every length class of the three hashes, and both sides of each border.
TEXTS = [
    rng.bytes(n) for n in (*range(20), 31, 32, 33, 47, 63, 64, 65, 66, 127, 128, 129, 192, 193, 300)
]
WIDE = 2**61 - 1


@case("StringToHashBucket", n=WIDE)
@case("StringToHashBucket", n=7)
def bucket(n):
    return RAW.StringToHashBucket(string_tensor=feed(TEXTS, object), num_buckets=n)


@case("StringToHashBucketFast", n=WIDE)
@case("StringToHashBucketFast", n=7)
def bucket_fast(n):
    return RAW.StringToHashBucketFast(input=feed(TEXTS, object), num_buckets=n)


@case("StringToHashBucketStrong", n=WIDE, key=[123, 456])
@case("StringToHashBucketStrong", n=7, key=[123, 456])
@case("StringToHashBucketStrong", n=WIDE, key=[-1, 2**63 - 1])
@case("StringToHashBucketStrong", n=WIDE, key=[1])
@case("StringToHashBucketStrong", n=WIDE, key=[1, 2, 3])
def bucket_strong(n, key):
    return RAW.StringToHashBucketStrong(input=feed(TEXTS, object), num_buckets=n, key=key)


@case("StringToHashBucket", x="scalar")
@case("StringToHashBucket", x=np.zeros((0, 2), object))
def bucket_shape(x):
    return RAW.StringToHashBucket(string_tensor=feed(x), num_buckets=10)


@case("StringToHashBucketFast", x="scalar")
@case("StringToHashBucketFast", x=[["a", "b"], ["é", ""]])
@case("StringToHashBucketFast", x=np.zeros((0, 2), object))
@case("StringToHashBucketFast", x=["a", "b"], n=1)
def bucket_fast_shape(x, n=1000):
    return RAW.StringToHashBucketFast(input=feed(x), num_buckets=n)


@case("StringToHashBucketStrong", x="scalar")
@case("StringToHashBucketStrong", x=np.zeros((0, 2), object))
def bucket_strong_shape(x):
    return RAW.StringToHashBucketStrong(input=feed(x), num_buckets=10, key=[1, 2])


@case("Fingerprint", x=["a", "", "feature_x_value"])
@case("Fingerprint", x=[["a", "b"], ["c", "d"]])
@case("Fingerprint", x=[[["a"]], [["b"]]])
@case("Fingerprint", x=np.zeros((0, 2), object))
@case("Fingerprint", x=np.arange(6, dtype=np.int64).reshape(2, 3))
@case("Fingerprint", x=np.arange(100, dtype=np.float32).reshape(2, 50))
@case("Fingerprint", x=np.array([True, False]))
@case("Fingerprint", x=np.zeros((0, 3), np.int32))
@case("Fingerprint", x=np.zeros((2, 0), np.int32))
@case("Fingerprint", x=5)
@case("Fingerprint", x=["a"], method="md5")
@case("Fingerprint", x=["a"], method=["farmhash64"])
def fingerprint(x, method="farmhash64"):
    return RAW.Fingerprint(data=feed(x, shape=None), method=feed(method, shape=None))
