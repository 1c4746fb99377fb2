// A backend that wants to know which layer its operations belong to.
#pragma once

#include <string_view>

namespace halfscope::ops {

/// Implemented by a Backend that keeps books by layer; whoever runs a graph on it says where it is.
class LayerListener {
  public:
    virtual ~LayerListener() = default;
    /// The operations that follow belong to `layer`, the user's name; "" for those of no layer.
    virtual void enter(std::string_view layer) = 0;
};

} // namespace halfscope::ops
