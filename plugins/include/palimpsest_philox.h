/*
 * Palimpsest's random numbers in C: Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011), with the host's keys and draws, bit for bit. One file to copy into your project.
 *
 * A plan may draw from nothing else: begin a stream for each image with the request's seed and step and the
 * image's number, `first_sample + index`. Then a run is the same for any batch split, backend or restart.
 */
#ifndef PALIMPSEST_PHILOX_H
#define PALIMPSEST_PHILOX_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* What a draw is for: the built-in masks' stream, the built-in noise laws', and from 256 to 65791 your own. */
#define PALIMPSEST_STREAM_MASK 4u
#define PALIMPSEST_STREAM_LEVEL 5u
#define PALIMPSEST_STREAM_OWN 256u

/* A stream for one (seed, stream, step, sample). */
typedef struct PalimpsestPhilox {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    uint32_t used;
} PalimpsestPhilox;

/* The stream of image number `sample` at `step`; both may count up to 2^48. */
static inline PalimpsestPhilox palimpsest_philox(uint64_t seed, uint32_t stream, uint64_t step, uint64_t sample) {
    PalimpsestPhilox p;
    p.key[0] = (uint32_t)seed;
    p.key[1] = (uint32_t)(seed >> 32) ^ (stream * 0x9E3779B9u);
    p.counter[0] = 0;
    p.counter[1] = (uint32_t)sample;
    p.counter[2] = (uint32_t)step;
    p.counter[3] = ((uint32_t)(sample >> 32) << 16) | ((uint32_t)(step >> 32) & 0xFFFFu);
    p.block[0] = p.block[1] = p.block[2] = p.block[3] = 0;
    p.used = 4;
    return p;
}

/* The next 32 uniform bits. */
static inline uint32_t palimpsest_next(PalimpsestPhilox *p) {
    if (p->used == 4) {
        uint32_t c[4] = {p->counter[0], p->counter[1], p->counter[2], p->counter[3]};
        uint32_t k0 = p->key[0], k1 = p->key[1];
        for (int round = 0; round < 10; round++) {
            uint64_t a = (uint64_t)c[0] * 0xD2511F53u, b = (uint64_t)c[2] * 0xCD9E8D57u;
            uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b,
                                (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
            for (int i = 0; i < 4; i++) {
                c[i] = next[i];
            }
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        for (int i = 0; i < 4; i++) {
            p->block[i] = c[i];
        }
        p->counter[0]++;
        p->used = 0;
    }
    return p->block[p->used++];
}

/* Uniform in [0, 1), with 24 bits. */
static inline float palimpsest_uniform(PalimpsestPhilox *p) {
    return (float)(palimpsest_next(p) >> 8) * (1.0f / 16777216.0f);
}

/* Uniform in 0..n without bias; n is not 0. */
static inline uint32_t palimpsest_below(PalimpsestPhilox *p, uint32_t n) {
    uint32_t threshold = (0u - n) % n;
    for (;;) {
        uint64_t product = (uint64_t)palimpsest_next(p) * n;
        if ((uint32_t)product >= threshold) {
            return (uint32_t)(product >> 32);
        }
    }
}

/* A standard normal value (Box-Muller). Link with -lm. */
static inline float palimpsest_normal(PalimpsestPhilox *p) {
    float radius = sqrtf(-2.0f * logf(1.0f - palimpsest_uniform(p)));
    return radius * cosf(6.28318530717958647692f * palimpsest_uniform(p));
}

/* Shuffles numbers in place. */
static inline void palimpsest_shuffle(PalimpsestPhilox *p, uint32_t *items, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t j = palimpsest_below(p, (uint32_t)i);
        uint32_t kept = items[i - 1];
        items[i - 1] = items[j];
        items[j] = kept;
    }
}

#endif
