
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
