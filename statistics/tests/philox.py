"""Philox-4x32-10 (Salmon et al., SC 2011) and the draws of this crate, written from their documentation."""

MASK = 0xFFFFFFFF


def block(counter, key):
    """The four words of one counter."""
    c, k = list(counter), list(key)
    for round in range(10):
        if round:
            k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [b >> 32 ^ c[1] ^ k[0], b & MASK, a >> 32 ^ c[3] ^ k[1], a & MASK]
    return c


# A known answer of the Random123 distribution.
assert block([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def words(seed, stream, step, sample):
    """The endless stream of words of one (seed, stream, step, sample)."""
    key = [seed & MASK, seed >> 32 ^ stream * 0x9E3779B9 & MASK]
    count = 0
    while True:
        yield from block([count, sample & MASK, step & MASK, (sample >> 32) << 16 | (step >> 32) & 0xFFFF], key)
        count += 1


def below(source, n):
    """A number of 0..n by Lemire's method."""
    while True:
        product = next(source) * n
        if product & MASK >= 2**32 % n:
            return product >> 32


def flips(seed, draw, n):
    """Which of n differences draw number `draw` of the sign-flip test turns round: a bit each, from the lowest."""
    source = words(seed, 200, 0, draw)
    taken = [next(source) for _ in range((n + 31) // 32)]
    return [taken[k // 32] >> (k % 32) & 1 == 1 for k in range(n)]


def resample(seed, draw, part, values):
    """Draw number `draw` of stratum number `part` of the bootstrap."""
    source = words(seed, 201, part, draw)
    return [values[below(source, len(values))] for _ in values]
