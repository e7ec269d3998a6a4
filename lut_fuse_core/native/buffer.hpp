// Memory: aligned to cache lines and zero at first, or kept from call to call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace lut_fuse {

// Aligned to cache lines and zero at first.
class Buffer {
  public:
    // Throws std::bad_alloc.
    void resize(size_t bytes) {
        bytes = (bytes + 63) / 64 * 64;
        data_.reset();
        data_.reset(std::aligned_alloc(64, bytes));
        if (!data_) throw std::bad_alloc();
        std::memset(data_.get(), 0, bytes);
    }
    template <class T>
    T* as() const {
        return static_cast<T*>(data_.get());
    }

  private:
    struct Free {
        void operator()(void* data) const { std::free(data); }
    };
    std::unique_ptr<void, Free> data_;
};

// Memory that grows and stays with its thread.
class Scratch {
  public:
    // Null if memory ran out.
    uint8_t* of(size_t bytes) {
        if (bytes > size_) {
            data_.reset();
            data_.reset(static_cast<uint8_t*>(std::malloc(bytes)));
            size_ = data_ ? bytes : 0;
        }
        return data_.get();
    }

  private:
    struct Free {
        void operator()(uint8_t* data) const { std::free(data); }
    };
    std::unique_ptr<uint8_t, Free> data_;
    size_t size_ = 0;
};

}  // namespace lut_fuse
