#pragma once

// For a function whose loops vectorize by themselves: compiled twice where the loader can choose.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define LUT_FUSE_COMPILED_TWICE __attribute__((target_clones("avx2", "default")))
#else
#define LUT_FUSE_COMPILED_TWICE
#endif
