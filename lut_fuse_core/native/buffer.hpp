// Memory aligned to cache lines and zero at first.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace lut_fuse {

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

}  // namespace lut_fuse
