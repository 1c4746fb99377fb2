// A shared library looked for at run time.
#pragma once

#include <dlfcn.h>

#include <initializer_list>
#include <stdexcept>
#include <string>

namespace halfscope::kernels {

/// Stays loaded as long as the process.
class LoadedLibrary {
  public:
    /// The first of the names that is on this machine.
    LoadedLibrary(std::initializer_list<std::string> names) {
        for (const std::string &name : names) {
            tried_ += (tried_.empty() ? "" : ", ") + name;
            if ((handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) != nullptr) return;
        }
    }
    /// "" when it is loaded; else which names were tried.
    [[nodiscard]] std::string missing() const {
        return handle_ != nullptr ? std::string{} : "not on this machine (" + tried_ + " was not found)";
    }
    /// Sets `function` to the library's own of this name. Throws std::runtime_error when it has none.
    template <typename F> void find(F *&function, const char *name) const {
        function = reinterpret_cast<F *>(dlsym(handle_, name));
        if (function == nullptr) throw std::runtime_error(tried_ + " has no " + name);
    }

  private:
    void *handle_ = nullptr;
    std::string tried_;
};

} // namespace halfscope::kernels
