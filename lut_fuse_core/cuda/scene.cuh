// The lattice for the scene at hand: between that for bright scenes and that for dark ones.
#pragma once

#include "pixel.cuh"

// How dark the scene is, 0 to 1: see features.darkness. For all threads of a block; sum: shared.
LUT_FUSE_DEVICE float darkness_of(const Frame& frame, int* sum, float low, float high) {
    if (first_thread() == 0) *sum = 0;
    wait_for_block();
    const int most = int(1000.0f * high + 0.5f);
    int thousandths = 0;
    for (int i = first_thread(); i < AMBIENT_GRID * AMBIENT_GRID; i += thread_count()) {
        const int y = (2 * (i / AMBIENT_GRID) + 1) * frame.height / (2 * AMBIENT_GRID);
        const int x = (2 * (i % AMBIENT_GRID) + 1) * frame.width / (2 * AMBIENT_GRID);
        const unsigned char* rgb = frame.visible + (size_t(y) * frame.width + x) * 3;
        const int luma = 299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2];
        thousandths += luma < most ? luma : most;
    }
    add_in_block(sum, thousandths);
    wait_for_block();
    const float ambient = float(*sum) * (0.001f / (AMBIENT_GRID * AMBIENT_GRID));
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
