/*
 * Palimpsest's C interface for dynamic libraries, in one file to copy into your project.
 *
 * The C structs that cross between Palimpsest and its dynamic libraries: nothing but C
 * types, constants and their rules.
 *
 * - Every struct starts with a PalimpsestHead: its size as the writer knows it, and a chain of extensions.
 *   Fields are only ever added behind the last; a reader looks at no field beyond the size.
 * - The entry of a library is a data symbol, so its version is read before any of its code is asked.
 *   Another PALIMPSEST_MAJOR is refused; a lower PALIMPSEST_MINOR is served with the fields that it knows.
 * - Strings are pointer and length, UTF-8, without a final zero.
 * - Nobody frees the other's memory: errors and results are written into buffers of the caller;
 *   handles are opaque and go back to whoever made them.
 * - No function unwinds; each returns a PalimpsestCode.
 * - Libraries are never unloaded.
 *
 * Backends: PalimpsestBackendTable.
 * A tensor library behind a table of functions.
 *
 * Strategies: PalimpsestCorruptionTable.
 * A corruption strategy: it decides, the host applies.
 *
 * A strategy describes itself and its parameters, is made from their values, and writes plans: small
 * host data that say what becomes of each token. The host carries a plan out with its own
 * operations on whatever device the run is on, so gradients come for free. A strategy that works on
 * features composes the host's operations on opaque handles (PalimpsestOps).
 *
 * Arrays of a batch are row-major: entry [b, i] of a [B, L] array is at b * L + i. Patches are
 * counted row by row from the top left.
 *
 * Communication: PalimpsestCollectiveTable.
 * Communication between the processes of one run, behind a table of functions.
 *
 * Every process (a rank) opens one instance and calls the same functions in the same order with the same sizes.
 * Sums and copies work on host memory, in place; a library for a GPU stages them. A call that fails leaves the
 * instance useless: the host calls abort at once, and ends.
 *
 * Operations: PALIMPSEST_OP_*.
 * The numbers of operations, with their inputs, results and attributes.
 *
 * Attributes cross as two lists, integers and reals, each in the order given here. A shape or a list of axes is its
 * length followed by its entries; a flag is 0 or 1; a type is its number in PalimpsestHostTensor.
 *
 * Needs C11 or C++17. Made by cbindgen from plugins/abi: change it there.
 */

#ifndef PALIMPSEST_H
#define PALIMPSEST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 Libraries of another major version are refused.
 */
#define PALIMPSEST_MAJOR 1

/*
 Grows when fields or functions are added.
 */
#define PALIMPSEST_MINOR 6

/*
 The highest rank that crosses.
 */
#define PALIMPSEST_MAX_RANK 8

/*
 The strategy's plans put noise on tokens, or its apply changes them: the recipe says where that
 happens with the key at.
 */
#define PALIMPSEST_INJECTS 1

/*
 It has apply.
 */
#define PALIMPSEST_OPS 2

/*
 It has observe and score, since ABI 1.1.
 */
#define PALIMPSEST_OBSERVES 4

/*
 Its masks are as likely at every position; the validator holds it to that.
 */
#define PALIMPSEST_UNBIASED 8

/*
 Every image of a batch has the same number of masked tokens, as encoders need that drop them; the
 host checks it.
 */
#define PALIMPSEST_EQUAL_COUNTS 16

/*
 An image's plan depends on other images of the batch (mixing): batches are not split.
 */
#define PALIMPSEST_MIXES 32

/*
 A visible token: the encoder sees it as it is.
 */
#define PALIMPSEST_VISIBLE 0

/*
 A masked token: hidden, and to be restored.
 */
#define PALIMPSEST_MASKED 1

/*
 A visible token with noise on it.
 */
#define PALIMPSEST_NOISED 2

/*
 source says where tokens come from.
 */
#define PALIMPSEST_USES_SOURCE 1

/*
 Masked tokens are not replaced by the mask token: what source or the noise put there stays.
 */
#define PALIMPSEST_SUBSTITUTIVE 2

/*
 The sum over all ranks, in place, of f32 or f64. Every rank gets the same bits.
 */
#define PALIMPSEST_ALL_REDUCE 0

/*
 The values of rank root for all, in place.
 */
#define PALIMPSEST_BROADCAST 1

/*
 Part k of data goes to rank k, and part k of to comes from rank k; all parts are of one size.
 */
#define PALIMPSEST_ALL_TO_ALL 2

/*
 () -> a tensor of one value.

 Attributes: shape (shape), value (real), dtype (type).
 */
#define PALIMPSEST_OP_FULL 1

/*
 () -> standard normal values from the library's own generator.

 Attributes: shape (shape), dtype (type).
 */
#define PALIMPSEST_OP_RANDOM_NORMAL 2

/*
 () -> uniform values in [0, 1) from the library's own generator.

 Attributes: shape (shape), dtype (type).
 */
#define PALIMPSEST_OP_RANDOM_UNIFORM 3

/*
 -x
 */
#define PALIMPSEST_OP_NEG 10

/*
 e^x
 */
#define PALIMPSEST_OP_EXP 11

/*
 ln x
 */
#define PALIMPSEST_OP_LOG 12

/*
 Square root.
 */
#define PALIMPSEST_OP_SQRT 13

/*
 Hyperbolic tangent.
 */
#define PALIMPSEST_OP_TANH 14

/*
 Error function.
 */
#define PALIMPSEST_OP_ERF 15

/*
 |x|, derivative 0 at 0.
 */
#define PALIMPSEST_OP_ABS 16

/*
 Sine.
 */
#define PALIMPSEST_OP_SIN 17

/*
 Cosine.
 */
#define PALIMPSEST_OP_COS 18

/*
 x + value

 Attributes: value (real).
 */
#define PALIMPSEST_OP_ADD_SCALAR 19

/*
 x * value

 Attributes: value (real).
 */
#define PALIMPSEST_OP_MUL_SCALAR 20

/*
 x ^ value

 Attributes: value (real).
 */
#define PALIMPSEST_OP_POW_SCALAR 21

/*
 x limited to [min, max]; the derivative is 0 outside.

 Attributes: min (real), max (real).
 */
#define PALIMPSEST_OP_CLAMP 22

/*
 a + b, broadcast.
 */
#define PALIMPSEST_OP_ADD 30

/*
 a - b, broadcast.
 */
#define PALIMPSEST_OP_SUB 31

/*
 a * b, broadcast.
 */
#define PALIMPSEST_OP_MUL 32

/*
 a / b, broadcast.
 */
#define PALIMPSEST_OP_DIV 33

/*
 a == b as truth values, broadcast.
 */
#define PALIMPSEST_OP_EQUAL 34

/*
 a < b as truth values, broadcast.
 */
#define PALIMPSEST_OP_LESS 35

/*
 (condition, a, b) -> a where the condition holds, else b; broadcast.
 */
#define PALIMPSEST_OP_WHERE 36

/*
 The same values in another type.

 Attributes: dtype (type).
 */
#define PALIMPSEST_OP_CAST 37

/*
 Sum over axes.

 Attributes: axes (list).
 */
#define PALIMPSEST_OP_SUM 40

/*
 Mean over axes.

 Attributes: axes (list).
 */
#define PALIMPSEST_OP_MEAN 41

/*
 Largest value along an axis; the gradient goes to the first of equals.

 Attributes: axis (integer).
 */
#define PALIMPSEST_OP_MAX 42

/*
 Index of the largest value along an axis (the first of equals), as i64.

 Attributes: axis (integer).
 */
#define PALIMPSEST_OP_ARGMAX 43

/*
 Indices that sort an axis, stable, as i64.

 Attributes: axis (integer), descending (flag).
 */
#define PALIMPSEST_OP_ARGSORT 44

/*
 The same elements in another shape.

 Attributes: shape (shape).
 */
#define PALIMPSEST_OP_RESHAPE 50

/*
 Axes in another order.

 Attributes: axes (list).
 */
#define PALIMPSEST_OP_PERMUTE 51

/*
 len entries of an axis from start on.

 Attributes: axis (integer), start (integer), len (integer).
 */
#define PALIMPSEST_OP_NARROW 52

/*
 Tensors one after another along an axis.

 Attributes: axis (integer).
 */
#define PALIMPSEST_OP_CONCAT 53

/*
 A constant border along an axis.

 Attributes: axis (integer), before (integer), after (integer), value (real).
 */
#define PALIMPSEST_OP_PAD 54

/*
 Repeats extents of 1 to fill the shape.

 Attributes: shape (shape).
 */
#define PALIMPSEST_OP_EXPAND 55

/*
 (x, indices i64 of x's shape but for axis) -> x's entries at the indices along axis.

 Attributes: axis (integer).
 */
#define PALIMPSEST_OP_GATHER 56

/*
 (x, indices i64 [k]) -> k slices of x along axis.

 Attributes: axis (integer).
 */
#define PALIMPSEST_OP_INDEX_SELECT 57

/*
 (x, indices i64, source of the indices' shape) -> x with source added at the indices.

 Attributes: axis (integer).
 */
#define PALIMPSEST_OP_SCATTER_ADD 58

/*
 [.., m, k] x [.., k, n], batch extents broadcast.
 */
#define PALIMPSEST_OP_MATMUL 60

/*
 (x [b, c, h, w], weight [o, c, kh, kw]) -> [b, o, h', w'].

 Attributes: stride (integer), padding (integer).
 */
#define PALIMPSEST_OP_CONV2D 61

/*
 [b, c, h, w] -> [b, c, height, width].

 Attributes: height (integer), width (integer), mode (0 nearest, 1 bilinear).
 */
#define PALIMPSEST_OP_INTERPOLATE 62

/*
 (x [.., in], weight [out, in], bias [out]?) -> x weight^T + bias.
 */
#define PALIMPSEST_OP_LINEAR 100

/*
 Softmax over the last axis.
 */
#define PALIMPSEST_OP_SOFTMAX 101

/*
 (x [.., d], gain [d], bias [d]) -> normalised over the last axis with the biased variance.

 Attributes: eps (real).
 */
#define PALIMPSEST_OP_LAYER_NORM 102

/*
 x Phi(x), with the exact normal distribution function.
 */
#define PALIMPSEST_OP_GELU 103

/*
 x sigmoid(x)
 */
#define PALIMPSEST_OP_SILU 104

/*
 (q [b, n, d], k [b, m, d], v [b, m, d], bias broadcast to [b, h, n, m]?) -> [b, n, d];
 logits are scaled by 1/sqrt(d / heads).

 Attributes: heads (integer).
 */
#define PALIMPSEST_OP_ATTENTION 105

/*
 As Attention with q, k, v packed in one tensor [b, n, 3 d].

 Attributes: heads (integer).
 */
#define PALIMPSEST_OP_SELF_ATTENTION 106

/*
 (qkv [b, n, 3 d], bias?) -> attention probabilities [b, h, n, n].

 Attributes: heads (integer).
 */
#define PALIMPSEST_OP_ATTENTION_PROBS 107

/*
 (probabilities [b, h, n, n], qkv [b, n, 3 d]) -> [b, n, d].

 Attributes: heads (integer).
 */
#define PALIMPSEST_OP_ATTENTION_APPLY 108

/*
 (x [b, n, d], y [b, n, d], gain [d]?, keep [b, 1, 1]?) -> x + y * gain * keep: a residual
 branch with LayerScale and drop path.

 Attributes: gain (flag), keep (flag).
 */
#define PALIMPSEST_OP_RESIDUAL 109

/*
 (p [.., n]) -> -sum p ln p over the last axis, kept with extent 1; 0 ln 0 = 0.
 */
#define PALIMPSEST_OP_ROW_ENTROPY 110

/*
 (logits [b, c], labels i64 [b]) -> mean cross-entropy, a scalar.

 Attributes: smoothing (real).
 */
#define PALIMPSEST_OP_CROSS_ENTROPY 111

/*
 Sum of squares, a scalar (for the global gradient norm).
 */
#define PALIMPSEST_OP_SUM_SQUARES 112

/*
 (a, b) -> a + weight (b - a).

 Attributes: weight (real).
 */
#define PALIMPSEST_OP_LERP 113

/*
 A step of AdamW whose every number is an attribute, until ABI 1.2. No backend is asked for it any more.
 */
#define PALIMPSEST_OP_ADAMW_STEP 114

/*
 (parameter, gradient, first moment, second moment, rates \[5\], average?) -> the first, third, fourth
 and last after a step of AdamW with decoupled decay (Loshchilov & Hutter, 2019), as PyTorch computes
 it. What changes from step to step is read from the rates, which are f64 where the parameter is, else
 f32: the learning rate, the number of the step from 1, the factor on the gradient, 1 to leave
 everything as it is or else 0, and the weight of the new parameter in its average. Since ABI 1.3.

 Attributes: beta1 (real), beta2 (real), eps (real), decay (real), factor on the learning rate (real).
 */
#define PALIMPSEST_OP_ADAMW 115

/*
 What a function returns.
 */
enum PalimpsestCode
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     Done.
     */
    PALIMPSEST_CODE_OK = 0,
    /*
     A mistake that the user can fix.
     */
    PALIMPSEST_CODE_USER = 1,
    /*
     A failure at run time.
     */
    PALIMPSEST_CODE_FAILURE = 2,
    /*
     The library panicked; its instance is poisoned.
     */
    PALIMPSEST_CODE_PANIC = 3,
    /*
     The instance panicked earlier.
     */
    PALIMPSEST_CODE_POISONED = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum PalimpsestCode PalimpsestCode;
#else
typedef uint32_t PalimpsestCode;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What a library is.
 */
enum PalimpsestKind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     A tensor library: table is a [backend::Table].
     */
    PALIMPSEST_KIND_BACKEND = 1,
    /*
     A corruption strategy: table is a [corruption::Table].
     */
    PALIMPSEST_KIND_CORRUPTION = 2,
    /*
     Communication between processes: table is a [collective::Table]. Since ABI 1.4.
     */
    PALIMPSEST_KIND_COLLECTIVE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum PalimpsestKind PalimpsestKind;
#else
typedef uint32_t PalimpsestKind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What a strategy looks at before it plans. No gradient flows through it.
 */
enum PalimpsestObservation
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     Clean patches [B, L, C p p].
     */
    PALIMPSEST_OBSERVATION_PIXELS = 0,
    /*
     Clean embedded patches [B, L, D].
     */
    PALIMPSEST_OBSERVATION_EMBEDDING = 1,
    /*
     The clean tokens [B, prefix + L, D] after a block.
     */
    PALIMPSEST_OBSERVATION_FEATURES = 2,
    /*
     The attention probabilities [B, heads, prefix + L, prefix + L] of a block on clean images.
     */
    PALIMPSEST_OBSERVATION_ATTENTION = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum PalimpsestObservation PalimpsestObservation;
#else
typedef uint32_t PalimpsestObservation;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 The types of parameters.
 */
enum PalimpsestParameterType
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /*
     Value::integer, 0 or 1.
     */
    PALIMPSEST_PARAMETER_TYPE_FLAG = 0,
    /*
     Value::integer.
     */
    PALIMPSEST_PARAMETER_TYPE_INTEGER = 1,
    /*
     Value::real.
     */
    PALIMPSEST_PARAMETER_TYPE_REAL = 2,
    /*
     Value::text.
     */
    PALIMPSEST_PARAMETER_TYPE_TEXT = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum PalimpsestParameterType PalimpsestParameterType;
#else
typedef uint32_t PalimpsestParameterType;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 A link in a chain of extensions; unknown ids are passed over.
 */
typedef struct PalimpsestExtension {
    /*
     The size of the whole extension struct.
     */
    size_t size;
    /*
     Which extension.
     */
    uint32_t id;
    /*
     The next one, or null.
     */
    const struct PalimpsestExtension *next;
} PalimpsestExtension;

/*
 What every struct starts with.
 */
typedef struct PalimpsestHead {
    /*
     The size of the whole struct in bytes, as its writer knows it.
     */
    size_t size;
    /*
     The first extension, or null.
     */
    const struct PalimpsestExtension *extension;
} PalimpsestHead;

/*
 Images, their patches and the encoder that sees them.
 */
typedef struct PalimpsestGeometry {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     Channels of an image.
     */
    uint32_t channels;
    /*
     Height of an image in pixels.
     */
    uint32_t height;
    /*
     Width of an image in pixels.
     */
    uint32_t width;
    /*
     Side of a patch in pixels.
     */
    uint32_t patch;
    /*
     Rows of patches.
     */
    uint32_t grid_h;
    /*
     Columns of patches; L = grid_h * grid_w.
     */
    uint32_t grid_w;
    /*
     Tokens in front of the patches (class token).
     */
    uint32_t prefix;
    /*
     Width of a token, D.
     */
    uint32_t dim;
    /*
     Number of blocks.
     */
    uint32_t depth;
    /*
     Attention heads.
     */
    uint32_t heads;
} PalimpsestGeometry;

/*
 What a plan is a function of, besides the parameters; nothing else may enter it.
 */
typedef struct PalimpsestPlanRequest {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     Images, patches and encoder.
     */
    const struct PalimpsestGeometry *geometry;
    /*
     Images in the batch, B.
     */
    uint32_t batch;
    /*
     Patches in an image, L.
     */
    uint32_t tokens;
    /*
     The run's seed.
     */
    uint64_t seed;
    /*
     The optimiser step.
     */
    uint64_t step;
    /*
     The number of the first image, counted over the run; the others follow.
     */
    uint64_t first_sample;
    /*
     How much of the run is done, 0 to 1.
     */
    double progress;
    /*
     What score gave for this batch, [B, L], or null. Since ABI 1.1.
     */
    const float *scores;
} PalimpsestPlanRequest;

/*
 A plan, in buffers of the host, which hold a plan that leaves every token alone.

 A token z becomes gain * z + noise * eps, eps standard normal.
 */
typedef struct PalimpsestPlan {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     PALIMPSEST_VISIBLE, PALIMPSEST_MASKED or PALIMPSEST_NOISED, [B, L].
     */
    uint8_t *roles;
    /*
     The factor of the signal, [B, L]; 1 without noise.
     */
    float *gain;
    /*
     The standard deviation of the noise, [B, L]; 0 without noise.
     */
    float *noise;
    /*
     The token that each token is taken from before anything else, as image * L + position in this
     batch, [B, L]; read only with PALIMPSEST_USES_SOURCE.
     */
    uint32_t *source;
    /*
     PALIMPSEST_USES_SOURCE, PALIMPSEST_SUBSTITUTIVE.
     */
    uint32_t flags;
    /*
     Unused, 0.
     */
    uint32_t reserved;
} PalimpsestPlan;

/*
 An object of the library that the other side only passes back.
 */
typedef void *PalimpsestOpaque;

/*
 A tensor of the library.
 */
typedef struct PalimpsestTensor {
    /*
     The library's object, given back with release; null for none.
     */
    PalimpsestOpaque handle;
    /*
     As in PalimpsestHostTensor.
     */
    uint32_t dtype;
    /*
     How many extents.
     */
    uint32_t rank;
    /*
     The extents, outermost first.
     */
    uint64_t extents[PALIMPSEST_MAX_RANK];
} PalimpsestTensor;

/*
 What apply works on.
 */
typedef struct PalimpsestApplication {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     The request of the plan.
     */
    const struct PalimpsestPlanRequest *request;
    /*
     The plan, to read.
     */
    const struct PalimpsestPlan *plan;
    /*
     The tokens where the injection happens: patches [B, L, C p p] on pixels, [B, L, D] on the embedding,
     [B, prefix + K, D] before a block, K the tokens that the encoder keeps.
     */
    struct PalimpsestTensor tokens;
    /*
     Tokens in front of the patches in tokens.
     */
    uint32_t prefix;
    /*
     0 pixels, 1 embedding, 2 before a block.
     */
    uint32_t place;
    /*
     The positions of the kept patches, i64 [B, K]; a null handle where all L are there.
     */
    struct PalimpsestTensor kept;
    /*
     The plan's gain for each of tokens, [B, N, 1]; a null handle without noise in the plan.
     */
    struct PalimpsestTensor gain;
    /*
     The plan's noise for each of tokens, standard deviation times eps, [B, N, D]; as above.
     */
    struct PalimpsestTensor noise;
} PalimpsestApplication;

/*
 UTF-8 text that its owner keeps alive for the life of the process.
 */
typedef struct PalimpsestStr {
    /*
     The first byte.
     */
    const uint8_t *ptr;
    /*
     How many bytes.
     */
    size_t len;
} PalimpsestStr;

/*
 A parameter's value, in the field that its type says.
 */
typedef struct PalimpsestValue {
    /*
     A flag or an integer.
     */
    int64_t integer;
    /*
     A real number.
     */
    double real;
    /*
     UTF-8 text; lent for the call where the host gives it.
     */
    struct PalimpsestStr text;
} PalimpsestValue;

/*
 A parameter's value, given to create.
 */
typedef struct PalimpsestArgument {
    /*
     The parameter's name.
     */
    struct PalimpsestStr name;
    /*
     Its value, of the described type and in the described range.
     */
    struct PalimpsestValue value;
} PalimpsestArgument;

/*
 An error's texts, in the caller's memory; longer ones are cut.
 */
typedef struct PalimpsestError {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     Bytes of message.
     */
    uint32_t message_len;
    /*
     Bytes of place.
     */
    uint32_t place_len;
    /*
     Bytes of mend.
     */
    uint32_t mend_len;
    /*
     What happened.
     */
    uint8_t message[1024];
    /*
     File, key or option; may be empty.
     */
    uint8_t place[256];
    /*
     What would help; may be empty.
     */
    uint8_t mend[512];
} PalimpsestError;

/*
 What a library says of itself.
 */
typedef struct PalimpsestInfo {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     burn, tch, …
     */
    struct PalimpsestStr name;
    /*
     The version of the tensor library.
     */
    struct PalimpsestStr version;
    /*
     Engine and features, one line.
     */
    struct PalimpsestStr description;
    /*
     The processor's instructions that the library's kernels use: a name without spaces, and words about it behind a
     space. Hosts compare the name: under another one results may differ in their last bits. Empty where the library
     can't tell, and for an engine between processes. Since ABI 1.5.
     */
    struct PalimpsestStr instructions;
} PalimpsestInfo;

/*
 A device.
 */
typedef struct PalimpsestDevice {
    /*
     0 the host's processor, 1 CUDA, 2 wgpu.
     */
    uint32_t kind;
    /*
     Its number.
     */
    uint32_t index;
} PalimpsestDevice;

/*
 Elements in host memory, row-major, in the machine's byte order.
 */
typedef struct PalimpsestHostTensor {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     0 f32, 1 f64, 2 bf16, 3 i64, 4 bool (a byte, 0 or 1), and since ABI 1.6 5 u8 (pixels:
     such a tensor is cast to a float type and nothing else; a backend without it says so of its cast).
     */
    uint32_t dtype;
    /*
     How many extents.
     */
    uint32_t rank;
    /*
     The extents, outermost first.
     */
    uint64_t extents[PALIMPSEST_MAX_RANK];
    /*
     The elements; not null, aligned for the type.
     */
    const uint8_t *data;
    /*
     Bytes at data.
     */
    size_t bytes;
} PalimpsestHostTensor;

/*
 An operation: its number and attributes, in the order that the list of operations gives them.
 A shape or a list of axes is its length followed by its entries, among the integers.
 */
typedef struct PalimpsestOp {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     The operation's number.
     */
    uint32_t kind;
    /*
     How many results the caller has room for.
     */
    uint32_t results;
    /*
     Integer attributes.
     */
    const int64_t *integers;
    /*
     How many.
     */
    size_t integer_count;
    /*
     Real attributes.
     */
    const double *reals;
    /*
     How many.
     */
    size_t real_count;
} PalimpsestOp;

/*
 An input of an operation.
 */
typedef struct PalimpsestInput {
    /*
     A tensor of the library.
     */
    PalimpsestOpaque handle;
    /*
     1: the tensor goes over to the library, which releases it and may write over it, also where
     the call fails. 0: it is lent.
     */
    uint32_t given;
} PalimpsestInput;

/*
 Bytes in use; -1 where the library can't tell.
 */
typedef struct PalimpsestMemory {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     In use now.
     */
    int64_t in_use;
    /*
     The most that was in use at once.
     */
    int64_t peak;
} PalimpsestMemory;

/*
 A step of AdamW on one parameter, in place, as ABI 1.2 asked for it.
 */
typedef struct PalimpsestUpdate {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     Decay of the first moment.
     */
    double beta1;
    /*
     Decay of the second moment.
     */
    double beta2;
    /*
     Added to the root of the second moment.
     */
    double eps;
    /*
     Weight decay.
     */
    double decay;
    /*
     The parameter; written in place.
     */
    PalimpsestOpaque value;
    /*
     Its gradient.
     */
    PalimpsestOpaque gradient;
    /*
     First moment; written in place.
     */
    PalimpsestOpaque first;
    /*
     Second moment; written in place.
     */
    PalimpsestOpaque second;
    /*
     An average of the parameter, or null; written in place.
     */
    PalimpsestOpaque average;
    /*
     f32 \[5\] on the device: learning rate, number of the step from 1, factor on the gradient, 1 to leave
     everything as it is or else 0, weight of the new parameter in the average.
     */
    PalimpsestOpaque rates;
} PalimpsestUpdate;

/*
 The functions of a backend. Each but those without an PalimpsestError returns a PalimpsestCode. They may
 be called from any thread; whether gradients are recorded is a state of the thread.
 */
typedef struct PalimpsestBackendTable {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     Makes an instance. What is missing on this machine (a library, a driver) is an error here.
     */
    uint32_t (*open)(PalimpsestOpaque *instance, struct PalimpsestError *error);
    /*
     Fills in the texts.
     */
    uint32_t (*info)(PalimpsestOpaque instance, struct PalimpsestInfo *info, struct PalimpsestError *error);
    /*
     Writes up to capacity devices and how many there are.
     */
    uint32_t (*devices)(PalimpsestOpaque instance,
                        struct PalimpsestDevice *devices,
                        size_t capacity,
                        size_t *count,
                        struct PalimpsestError *error);
    /*
     1 if execute takes the operation on tensors of the type on the device.
     */
    uint32_t (*supports)(PalimpsestOpaque instance,
                         uint32_t op,
                         uint32_t dtype,
                         struct PalimpsestDevice device);
    /*
     Copies to a device.
     */
    uint32_t (*upload)(PalimpsestOpaque instance,
                       const struct PalimpsestHostTensor *data,
                       struct PalimpsestDevice device,
                       struct PalimpsestTensor *tensor,
                       struct PalimpsestError *error);
    /*
     Copies the elements to data, which has room for bytes, the tensor's exact size.
     */
    uint32_t (*download)(PalimpsestOpaque instance,
                         PalimpsestOpaque tensor,
                         uint8_t *data,
                         size_t bytes,
                         struct PalimpsestError *error);
    /*
     Runs an operation; writes up to op.results results and how many there are.
     */
    uint32_t (*execute)(PalimpsestOpaque instance,
                        const struct PalimpsestOp *op,
                        const struct PalimpsestInput *inputs,
                        size_t input_count,
                        struct PalimpsestDevice device,
                        struct PalimpsestTensor *results,
                        size_t *count,
                        struct PalimpsestError *error);
    /*
     A leaf that gradients are recorded for.
     */
    uint32_t (*track)(PalimpsestOpaque instance,
                      PalimpsestOpaque tensor,
                      struct PalimpsestTensor *leaf,
                      struct PalimpsestError *error);
    /*
     The same value without its history.
     */
    uint32_t (*detach)(PalimpsestOpaque instance,
                       PalimpsestOpaque tensor,
                       struct PalimpsestTensor *plain,
                       struct PalimpsestError *error);
    /*
     Gradients of loss by leaf; a null handle for none. Frees the recorded history.
     */
    uint32_t (*backward)(PalimpsestOpaque instance,
                         struct PalimpsestInput loss,
                         const PalimpsestOpaque *leaves,
                         size_t leaf_count,
                         struct PalimpsestTensor *gradients,
                         struct PalimpsestError *error);
    /*
     Switches recording on this thread; returns the state before.
     */
    uint32_t (*set_grad_enabled)(PalimpsestOpaque instance, uint32_t enabled);
    /*
     Seeds the library's own generator.
     */
    void (*seed)(PalimpsestOpaque instance, uint64_t seed);
    /*
     Waits for everything that was asked of a device.
     */
    uint32_t (*synchronize)(PalimpsestOpaque instance,
                            struct PalimpsestDevice device,
                            struct PalimpsestError *error);
    /*
     Memory in use.
     */
    void (*memory)(PalimpsestOpaque instance, struct PalimpsestDevice device, struct PalimpsestMemory *memory);
    /*
     Gives a tensor back.
     */
    void (*release)(PalimpsestOpaque instance, PalimpsestOpaque tensor);
    /*
     1 if the device has graphs; the functions below are then there. May be null. Since ABI 1.2.
     */
    uint32_t (*graphs)(PalimpsestOpaque instance, struct PalimpsestDevice device);
    /*
     From here to graph_end the thread's work on the device goes to the queue that graphs are captured
     on. With capture 1 nothing is done, and the work becomes a graph. In between the operation adamw writes
     over the memory of what it changes, whoever else holds it. May be null. Since ABI 1.2.
     */
    uint32_t (*graph_begin)(PalimpsestOpaque instance,
                            struct PalimpsestDevice device,
                            uint32_t capture,
                            struct PalimpsestError *error);
    /*
     Ends what graph_begin began, also after a failure in between; writes the graph, null if none was
     captured. It is given back with release. May be null. Since ABI 1.2.
     */
    uint32_t (*graph_end)(PalimpsestOpaque instance,
                          struct PalimpsestDevice device,
                          PalimpsestOpaque *graph,
                          struct PalimpsestError *error);
    /*
     Does the work of a graph. May be null. Since ABI 1.2.
     */
    uint32_t (*graph_replay)(PalimpsestOpaque instance, PalimpsestOpaque graph, struct PalimpsestError *error);
    /*
     Writes other elements of the same shape and type into a tensor, in place. May be null. Since ABI 1.2.
     */
    uint32_t (*write)(PalimpsestOpaque instance,
                      PalimpsestOpaque tensor,
                      const struct PalimpsestHostTensor *data,
                      struct PalimpsestError *error);
    /*
     Reserved: null. In ABI 1.2 a step of AdamW; since ABI 1.3 that is the operation adamw.
     */
    uint32_t (*update)(PalimpsestOpaque instance,
                       const struct PalimpsestUpdate *update,
                       struct PalimpsestError *error);
} PalimpsestBackendTable;

/*
 The processes of a run and where they meet, as one of them sees it.
 */
typedef struct PalimpsestWorld {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     This process's number, from 0.
     */
    uint32_t rank;
    /*
     The number of processes.
     */
    uint32_t size;
    /*
     This process's number among those of its machine, from 0.
     */
    uint32_t local_rank;
    /*
     The number of processes of its machine.
     */
    uint32_t local_size;
    /*
     1 where something else than rank 0 serves the meeting place (torchrun's agent).
     */
    uint32_t served;
    /*
     The host where the processes meet; empty where the library has a meeting place of its own.
     */
    struct PalimpsestStr address;
    /*
     Its port.
     */
    uint32_t port;
    /*
     The network interface; empty for the library's own choice.
     */
    struct PalimpsestStr interface;
    /*
     What the processes of one run have in common and those of another don't, as a prefix for keys.
     */
    struct PalimpsestStr session;
    /*
     How long any operation may take, the meeting included, in milliseconds.
     */
    uint64_t limit_ms;
    /*
     The device that the rank trains on.
     */
    struct PalimpsestDevice device;
} PalimpsestWorld;

/*
 An operation that is to be started.
 */
typedef struct PalimpsestTransfer {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     Which: PALIMPSEST_ALL_REDUCE, PALIMPSEST_BROADCAST or PALIMPSEST_ALL_TO_ALL.
     */
    uint32_t op;
    /*
     The type of the elements, as in PalimpsestHostTensor: f32 or f64.
     */
    uint32_t dtype;
    /*
     The elements, which the library may use until wait has returned.
     */
    uint8_t *data;
    /*
     Where PALIMPSEST_ALL_TO_ALL writes, likewise; else null.
     */
    uint8_t *to;
    /*
     How many elements data has, and to.
     */
    uint64_t count;
    /*
     The rank whose values PALIMPSEST_BROADCAST copies; else 0.
     */
    uint32_t root;
} PalimpsestTransfer;

/*
 The functions of a library. Each that takes an PalimpsestError returns a PalimpsestCode. An instance is called by one
 thread at a time, but for abort.
 */
typedef struct PalimpsestCollectiveTable {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     Fills in the texts: the engine's name, the version of what it was loaded with, and a line for people. What is
     missing on this machine is an error here.
     */
    uint32_t (*about)(struct PalimpsestInfo *info, struct PalimpsestError *error);
    /*
     Meets the other processes; makes an instance. The texts of world last until it returns.
     */
    uint32_t (*open)(PalimpsestOpaque *instance,
                     const struct PalimpsestWorld *world,
                     struct PalimpsestError *error);
    /*
     Starts an operation.
     */
    uint32_t (*start)(PalimpsestOpaque instance,
                      const struct PalimpsestTransfer *transfer,
                      PalimpsestOpaque *work,
                      struct PalimpsestError *error);
    /*
     Waits for an operation, and frees it. Where the library polls, it asks go_on from time to time, and fails
     where that returns 0. After a failure it may be that the library still uses the memory.
     */
    uint32_t (*wait)(PalimpsestOpaque instance,
                     PalimpsestOpaque work,
                     uint32_t (*go_on)(void *context),
                     void *context,
                     struct PalimpsestError *error);
    /*
     Returns once every rank has called it.
     */
    uint32_t (*barrier)(PalimpsestOpaque instance, struct PalimpsestError *error);
    /*
     Rank 0's bytes for all: rank 0 gives len bytes at value; every rank gets them at out, which has room
     bytes, and their number. More than fit are an error. A key is used once.
     */
    uint32_t (*share)(PalimpsestOpaque instance,
                      struct PalimpsestStr key,
                      const uint8_t *value,
                      size_t len,
                      uint8_t *out,
                      size_t room,
                      size_t *out_len,
                      struct PalimpsestError *error);
    /*
     Closes every connection, so that the other ranks notice at once; where there is a place for it, leaves words
     that they find. Every later call but fates and close fails. It may be called by any thread.
     */
    void (*abort)(PalimpsestOpaque instance, struct PalimpsestStr words);
    /*
     After abort: a line RANK WORDS for each rank that left words within wait_ms, at most room bytes; the
     number of bytes. An error where the library knows nothing of the others.
     */
    uint32_t (*fates)(PalimpsestOpaque instance,
                      uint64_t wait_ms,
                      uint8_t *out,
                      size_t room,
                      size_t *out_len,
                      struct PalimpsestError *error);
    /*
     Ends an instance, in order if it was not aborted. It is not used afterwards.
     */
    void (*close)(PalimpsestOpaque instance);
    /*
     The network interface that an instance uses, for people: at most room bytes at out, and their number. Null where
     the library doesn't know.
     */
    uint32_t (*interface)(PalimpsestOpaque instance,
                          uint8_t *out,
                          size_t room,
                          size_t *out_len,
                          struct PalimpsestError *error);
} PalimpsestCollectiveTable;

/*
 A parameter: a key of the recipe's table [corruption]. Immutable, for the life of the process.
 */
typedef struct PalimpsestParameter {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     The key: lower case letters, digits and _.
     */
    struct PalimpsestStr name;
    /*
     What it means, one line.
     */
    struct PalimpsestStr doc;
    /*
     A PalimpsestParameterType.
     */
    uint32_t kind;
    /*
     Unused, 0.
     */
    uint32_t reserved;
    /*
     The value where the recipe gives none.
     */
    struct PalimpsestValue default_;
    /*
     The smallest value of a number; -inf for none.
     */
    double min;
    /*
     The largest value of a number; inf for none.
     */
    double max;
    /*
     The texts that are allowed, or null for all.
     */
    const struct PalimpsestStr *choices;
    /*
     How many.
     */
    size_t choice_count;
} PalimpsestParameter;

/*
 What a strategy says of itself. Immutable, for the life of the process.
 */
typedef struct PalimpsestDescription {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     Reverse domain name, as org.example.blue-noise; its last part is the short name in recipes.
     */
    struct PalimpsestStr id;
    /*
     Its version, as 1.2.0.
     */
    struct PalimpsestStr version;
    /*
     One line for people.
     */
    struct PalimpsestStr summary;
    /*
     PALIMPSEST_INJECTS, PALIMPSEST_OPS, … together.
     */
    uint64_t capabilities;
    /*
     Its parameters, each parameter_size bytes after the one before.
     */
    const struct PalimpsestParameter *parameters;
    /*
     How many.
     */
    size_t parameter_count;
    /*
     The size of a PalimpsestParameter as the library knows it.
     */
    size_t parameter_size;
} PalimpsestDescription;

/*
 The host's operations, for the length of one call. Handles are numbers of the host; those of an
 earlier call are refused. Nothing has to be given back. May be used only on the calling thread.
 */
typedef struct PalimpsestOps {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     Passed back to each function.
     */
    PalimpsestOpaque context;
    /*
     Runs an operation of the list of operations on handles; writes up to op.results results and how many there
     are. Gradients are recorded. random-normal and random-uniform draw by Philox from the seed, the
     step and, where the first extent is the batch, each image's number.
     */
    uint32_t (*execute)(PalimpsestOpaque context,
                        const struct PalimpsestOp *op,
                        const PalimpsestOpaque *inputs,
                        size_t input_count,
                        struct PalimpsestTensor *results,
                        size_t *count,
                        struct PalimpsestError *error);
    /*
     Copies elements to the device.
     */
    uint32_t (*upload)(PalimpsestOpaque context,
                       const struct PalimpsestHostTensor *data,
                       struct PalimpsestTensor *tensor,
                       struct PalimpsestError *error);
    /*
     Copies a tensor's elements to data, which has room for bytes, its exact size. It waits for the device:
     keep it for small tensors.
     */
    uint32_t (*download)(PalimpsestOpaque context,
                         PalimpsestOpaque tensor,
                         uint8_t *data,
                         size_t bytes,
                         struct PalimpsestError *error);
    /*
     The same values without their history: no gradient flows back.
     */
    uint32_t (*detach)(PalimpsestOpaque context,
                       PalimpsestOpaque tensor,
                       struct PalimpsestTensor *plain,
                       struct PalimpsestError *error);
} PalimpsestOps;

/*
 The functions of a strategy. Each but destroy returns a PalimpsestCode. All but create and destroy may be called from
 several threads at once.
 */
typedef struct PalimpsestCorruptionTable {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     What it is; readable without a call.
     */
    const struct PalimpsestDescription *description;
    /*
     Makes a strategy of a value for each parameter.
     */
    uint32_t (*create)(const struct PalimpsestArgument *arguments,
                       size_t argument_count,
                       PalimpsestOpaque *instance,
                       struct PalimpsestError *error);
    /*
     Gives it back.
     */
    void (*destroy)(PalimpsestOpaque instance);
    /*
     Refuses a geometry that it can't serve, before training starts. May be null.
     */
    uint32_t (*check)(PalimpsestOpaque instance,
                      const struct PalimpsestGeometry *geometry,
                      struct PalimpsestError *error);
    /*
     Writes the plan of a batch: a pure function of parameters and request. No clock, no state, no
     randomness but Philox keyed by the request.
     */
    uint32_t (*plan)(PalimpsestOpaque instance,
                     const struct PalimpsestPlanRequest *request,
                     struct PalimpsestPlan *plan,
                     struct PalimpsestError *error);
    /*
     Corrupts tokens with the host's operations: a tensor of tokens' shape and type. With PALIMPSEST_OPS, else null.
     */
    uint32_t (*apply)(PalimpsestOpaque instance,
                      const struct PalimpsestOps *ops,
                      const struct PalimpsestApplication *application,
                      struct PalimpsestTensor *result,
                      struct PalimpsestError *error);
    /*
     What it looks at: an PalimpsestObservation, and of which block, counted from 0; from the last one where it is
     negative, -1 the last. With PALIMPSEST_OBSERVES, else null. Since ABI 1.1.
     */
    uint32_t (*observe)(PalimpsestOpaque instance,
                        uint32_t *what,
                        int32_t *block,
                        struct PalimpsestError *error);
    /*
     Scores [B, L] in f32 of what it looked at; they come back as PlanRequest::scores. With PALIMPSEST_OBSERVES, else
     null. Since ABI 1.1.
     */
    uint32_t (*score)(PalimpsestOpaque instance,
                      const struct PalimpsestOps *ops,
                      const struct PalimpsestTensor *observed,
                      const struct PalimpsestGeometry *geometry,
                      struct PalimpsestTensor *scores,
                      struct PalimpsestError *error);
} PalimpsestCorruptionTable;

/*
 The data symbol that a library exports as PALIMPSEST_ENTRY_SYMBOL.
 */
typedef struct PalimpsestEntry {
    /*
     Size and extensions.
     */
    struct PalimpsestHead head;
    /*
     PALIMPSEST_MAJOR of the headers it was built with.
     */
    uint32_t major;
    /*
     PALIMPSEST_MINOR of the headers it was built with.
     */
    uint32_t minor;
    /*
     A PalimpsestKind.
     */
    uint32_t kind;
    /*
     Whether a panic unwinds (1) or aborts the process (0); the latter is refused.
     */
    uint32_t unwinds;
    /*
     What it was built with: the compiler or SDK, for messages.
     */
    struct PalimpsestStr built_with;
    /*
     The functions; what they are, kind says.
     */
    const void *table;
} PalimpsestEntry;


#if defined(__cplusplus)
#define PALIMPSEST_ASSERT(condition) static_assert(condition, #condition)
#define PALIMPSEST_ALIGN(type) alignof(type)
#else
#define PALIMPSEST_ASSERT(condition) _Static_assert(condition, #condition)
#define PALIMPSEST_ALIGN(type) _Alignof(type)
#endif

/* Where everything lies, as Rust's compiler says it. */
PALIMPSEST_ASSERT(sizeof(void *) == 8);
PALIMPSEST_ASSERT(sizeof(PalimpsestHead) == 16);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestHead) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestHead, size) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestHead, extension) == 8);
PALIMPSEST_ASSERT(sizeof(PalimpsestExtension) == 24);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestExtension) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestExtension, size) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestExtension, id) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestExtension, next) == 16);
PALIMPSEST_ASSERT(sizeof(PalimpsestStr) == 16);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestStr) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestStr, ptr) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestStr, len) == 8);
PALIMPSEST_ASSERT(sizeof(PalimpsestError) == 1824);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestError) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestError, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestError, message_len) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestError, place_len) == 20);
PALIMPSEST_ASSERT(offsetof(PalimpsestError, mend_len) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestError, message) == 28);
PALIMPSEST_ASSERT(offsetof(PalimpsestError, place) == 1052);
PALIMPSEST_ASSERT(offsetof(PalimpsestError, mend) == 1308);
PALIMPSEST_ASSERT(sizeof(PalimpsestEntry) == 56);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestEntry) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestEntry, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestEntry, major) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestEntry, minor) == 20);
PALIMPSEST_ASSERT(offsetof(PalimpsestEntry, kind) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestEntry, unwinds) == 28);
PALIMPSEST_ASSERT(offsetof(PalimpsestEntry, built_with) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestEntry, table) == 48);
PALIMPSEST_ASSERT(sizeof(PalimpsestDevice) == 8);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestDevice) == 4);
PALIMPSEST_ASSERT(offsetof(PalimpsestDevice, kind) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestDevice, index) == 4);
PALIMPSEST_ASSERT(sizeof(PalimpsestInfo) == 80);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestInfo) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestInfo, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestInfo, name) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestInfo, version) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestInfo, description) == 48);
PALIMPSEST_ASSERT(offsetof(PalimpsestInfo, instructions) == 64);
PALIMPSEST_ASSERT(sizeof(PalimpsestHostTensor) == 104);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestHostTensor) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestHostTensor, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestHostTensor, dtype) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestHostTensor, rank) == 20);
PALIMPSEST_ASSERT(offsetof(PalimpsestHostTensor, extents) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestHostTensor, data) == 88);
PALIMPSEST_ASSERT(offsetof(PalimpsestHostTensor, bytes) == 96);
PALIMPSEST_ASSERT(sizeof(PalimpsestTensor) == 80);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestTensor) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestTensor, handle) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestTensor, dtype) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestTensor, rank) == 12);
PALIMPSEST_ASSERT(offsetof(PalimpsestTensor, extents) == 16);
PALIMPSEST_ASSERT(sizeof(PalimpsestInput) == 16);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestInput) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestInput, handle) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestInput, given) == 8);
PALIMPSEST_ASSERT(sizeof(PalimpsestOp) == 56);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestOp) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestOp, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestOp, kind) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestOp, results) == 20);
PALIMPSEST_ASSERT(offsetof(PalimpsestOp, integers) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestOp, integer_count) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestOp, reals) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestOp, real_count) == 48);
PALIMPSEST_ASSERT(sizeof(PalimpsestMemory) == 32);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestMemory) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestMemory, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestMemory, in_use) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestMemory, peak) == 24);
PALIMPSEST_ASSERT(sizeof(PalimpsestUpdate) == 96);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestUpdate) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, beta1) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, beta2) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, eps) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, decay) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, value) == 48);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, gradient) == 56);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, first) == 64);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, second) == 72);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, average) == 80);
PALIMPSEST_ASSERT(offsetof(PalimpsestUpdate, rates) == 88);
PALIMPSEST_ASSERT(sizeof(PalimpsestBackendTable) == 184);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestBackendTable) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, open) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, info) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, devices) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, supports) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, upload) == 48);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, download) == 56);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, execute) == 64);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, track) == 72);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, detach) == 80);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, backward) == 88);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, set_grad_enabled) == 96);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, seed) == 104);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, synchronize) == 112);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, memory) == 120);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, release) == 128);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, graphs) == 136);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, graph_begin) == 144);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, graph_end) == 152);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, graph_replay) == 160);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, write) == 168);
PALIMPSEST_ASSERT(offsetof(PalimpsestBackendTable, update) == 176);
PALIMPSEST_ASSERT(sizeof(PalimpsestValue) == 32);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestValue) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestValue, integer) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestValue, real) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestValue, text) == 16);
PALIMPSEST_ASSERT(sizeof(PalimpsestParameter) == 120);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestParameter) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestParameter, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestParameter, name) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestParameter, doc) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestParameter, kind) == 48);
PALIMPSEST_ASSERT(offsetof(PalimpsestParameter, reserved) == 52);
PALIMPSEST_ASSERT(offsetof(PalimpsestParameter, default_) == 56);
PALIMPSEST_ASSERT(offsetof(PalimpsestParameter, min) == 88);
PALIMPSEST_ASSERT(offsetof(PalimpsestParameter, max) == 96);
PALIMPSEST_ASSERT(offsetof(PalimpsestParameter, choices) == 104);
PALIMPSEST_ASSERT(offsetof(PalimpsestParameter, choice_count) == 112);
PALIMPSEST_ASSERT(sizeof(PalimpsestDescription) == 96);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestDescription) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestDescription, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestDescription, id) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestDescription, version) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestDescription, summary) == 48);
PALIMPSEST_ASSERT(offsetof(PalimpsestDescription, capabilities) == 64);
PALIMPSEST_ASSERT(offsetof(PalimpsestDescription, parameters) == 72);
PALIMPSEST_ASSERT(offsetof(PalimpsestDescription, parameter_count) == 80);
PALIMPSEST_ASSERT(offsetof(PalimpsestDescription, parameter_size) == 88);
PALIMPSEST_ASSERT(sizeof(PalimpsestArgument) == 48);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestArgument) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestArgument, name) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestArgument, value) == 16);
PALIMPSEST_ASSERT(sizeof(PalimpsestGeometry) == 56);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestGeometry) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, channels) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, height) == 20);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, width) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, patch) == 28);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, grid_h) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, grid_w) == 36);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, prefix) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, dim) == 44);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, depth) == 48);
PALIMPSEST_ASSERT(offsetof(PalimpsestGeometry, heads) == 52);
PALIMPSEST_ASSERT(sizeof(PalimpsestPlanRequest) == 72);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestPlanRequest) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlanRequest, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlanRequest, geometry) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlanRequest, batch) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlanRequest, tokens) == 28);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlanRequest, seed) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlanRequest, step) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlanRequest, first_sample) == 48);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlanRequest, progress) == 56);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlanRequest, scores) == 64);
PALIMPSEST_ASSERT(sizeof(PalimpsestPlan) == 56);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestPlan) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlan, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlan, roles) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlan, gain) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlan, noise) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlan, source) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlan, flags) == 48);
PALIMPSEST_ASSERT(offsetof(PalimpsestPlan, reserved) == 52);
PALIMPSEST_ASSERT(sizeof(PalimpsestOps) == 56);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestOps) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestOps, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestOps, context) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestOps, execute) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestOps, upload) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestOps, download) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestOps, detach) == 48);
PALIMPSEST_ASSERT(sizeof(PalimpsestApplication) == 360);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestApplication) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestApplication, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestApplication, request) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestApplication, plan) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestApplication, tokens) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestApplication, prefix) == 112);
PALIMPSEST_ASSERT(offsetof(PalimpsestApplication, place) == 116);
PALIMPSEST_ASSERT(offsetof(PalimpsestApplication, kept) == 120);
PALIMPSEST_ASSERT(offsetof(PalimpsestApplication, gain) == 200);
PALIMPSEST_ASSERT(offsetof(PalimpsestApplication, noise) == 280);
PALIMPSEST_ASSERT(sizeof(PalimpsestCorruptionTable) == 80);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestCorruptionTable) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestCorruptionTable, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestCorruptionTable, description) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestCorruptionTable, create) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestCorruptionTable, destroy) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestCorruptionTable, check) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestCorruptionTable, plan) == 48);
PALIMPSEST_ASSERT(offsetof(PalimpsestCorruptionTable, apply) == 56);
PALIMPSEST_ASSERT(offsetof(PalimpsestCorruptionTable, observe) == 64);
PALIMPSEST_ASSERT(offsetof(PalimpsestCorruptionTable, score) == 72);
PALIMPSEST_ASSERT(sizeof(PalimpsestWorld) == 112);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestWorld) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, rank) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, size) == 20);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, local_rank) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, local_size) == 28);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, served) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, address) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, port) == 56);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, interface) == 64);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, session) == 80);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, limit_ms) == 96);
PALIMPSEST_ASSERT(offsetof(PalimpsestWorld, device) == 104);
PALIMPSEST_ASSERT(sizeof(PalimpsestTransfer) == 56);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestTransfer) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestTransfer, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestTransfer, op) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestTransfer, dtype) == 20);
PALIMPSEST_ASSERT(offsetof(PalimpsestTransfer, data) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestTransfer, to) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestTransfer, count) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestTransfer, root) == 48);
PALIMPSEST_ASSERT(sizeof(PalimpsestCollectiveTable) == 96);
PALIMPSEST_ASSERT(PALIMPSEST_ALIGN(PalimpsestCollectiveTable) == 8);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, head) == 0);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, about) == 16);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, open) == 24);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, start) == 32);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, wait) == 40);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, barrier) == 48);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, share) == 56);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, abort) == 64);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, fates) == 72);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, close) == 80);
PALIMPSEST_ASSERT(offsetof(PalimpsestCollectiveTable, interface) == 88);

#if defined(_WIN32)
#define PALIMPSEST_EXPORT __declspec(dllexport)
#else
#define PALIMPSEST_EXPORT __attribute__((visibility("default")))
#endif

/* The head of a struct of a type, as an initialiser. */
#define PALIMPSEST_HEAD(type) {sizeof(type), NULL}

/* A string literal as PalimpsestStr, as an initialiser. */
#define PALIMPSEST_TEXT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}

/* Whether the struct that the other side gave is long enough to have a field. */
#define PALIMPSEST_HAS(pointer, type, field) \
    ((pointer)->head.size >= offsetof(type, field) + sizeof((pointer)->field))

#if defined(__cplusplus)
extern "C" {
#endif

/* What a library exports. */
extern PALIMPSEST_EXPORT const PalimpsestEntry palimpsest_entry;

/* Copies as much of a text as fits and returns its length; characters are cut whole. */
static inline uint32_t palimpsest_copy_text(uint8_t *out, size_t room, const char *text) {
    size_t length = text ? strlen(text) : 0;
    if (length > room) {
        length = room;
        while (length > 0 && ((uint8_t)text[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    if (length > 0) {
        memcpy(out, text, length);
    }
    return (uint32_t)length;
}

/* Fills in an error and returns the code: one sentence, with the key at fault and what would help, either of
   which may be NULL. `return palimpsest_fail(error, PALIMPSEST_CODE_USER, "…", "ratio", "…");` */
static inline uint32_t palimpsest_fail(PalimpsestError *error, uint32_t code, const char *message,
                                       const char *place, const char *mend) {
    if (error && error->head.size >= sizeof(PalimpsestError)) {
        error->message_len = palimpsest_copy_text(error->message, sizeof(error->message), message);
        error->place_len = palimpsest_copy_text(error->place, sizeof(error->place), place);
        error->mend_len = palimpsest_copy_text(error->mend, sizeof(error->mend), mend);
    }
    return code;
}

#if defined(__cplusplus)
}
#endif

#endif /* PALIMPSEST_H */
