#include <lzma.h>

/* Macros made with UINT32_C are not imported into Swift. */
static const uint32_t khd_lzma_concatenated = LZMA_CONCATENATED;
static const uint32_t khd_lzma_tell_unsupported_check = LZMA_TELL_UNSUPPORTED_CHECK;
