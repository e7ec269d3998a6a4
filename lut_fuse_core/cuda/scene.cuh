// The lattice for the scene at hand: between that for bright scenes and that for dark ones.
#pragma once

#include "pixel.cuh"

// How dark the scene is, 0 to 1: see features.darkness. For all threads of a block; counts: shared,
// one for each grey level.
LUT_FUSE_DEVICE float darkness_of(const Frame& frame, int* counts, float low, float high) {
    for (int i = first_thread(); i < GREY_LEVELS; i += thread_count()) counts[i] = 0;
    wait_for_block();
    for (int i = first_thread(); i < AMBIENT_GRID * AMBIENT_GRID; i += thread_count()) {
        const int y = (2 * (i / AMBIENT_GRID) + 1) * frame.height / (2 * AMBIENT_GRID);
        const int x = (2 * (i % AMBIENT_GRID) + 1) * frame.width / (2 * AMBIENT_GRID);
        const unsigned char* rgb = frame.visible + (size_t(y) * frame.width + x) * 3;
        add_in_block(counts + (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) / 1000, 1);
    }
    wait_for_block();
    int level = 0, left = AMBIENT_RANK;
    while (counts[level] < left) left -= counts[level++];
    const float ambient = float(level) + float(left) / float(counts[level]);
    return clamp((high - ambient) / (high - low), 0.0f, 1.0f);
}

// A block's run of nodes, each with the next one along the context axis (the last with itself).
LUT_FUSE_DEVICE void mix_run(const float* bright, const float* dark, int run, int nodes,
                             float darkness, NodePair* mixed) {
    for (int i = first_thread(); i < MIXED; i += thread_count()) {
        const int node = run * MIXED + i;
        if (node >= nodes) continue;
        const int next = node + (node % ContextAxis::nodes + 1 < ContextAxis::nodes);
        mixed[node] = paired(bright[node] + darkness * (dark[node] - bright[node]),
                             bright[next] + darkness * (dark[next] - bright[next]));
    }
}
