// The parameters in a zoo model's name: "gpt:layers=2,width=128".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::model::zoo {

struct Parameter {
    std::string_view name;
    std::int64_t value; ///< the default
    std::int64_t least, most;
};

class Parameters {
  public:
    Parameters(std::string_view model, std::span<const Parameter> defaults)
        : model_(model), values_(defaults.begin(), defaults.end()) {}

    /// Reads "name=value,..."; std::invalid_argument for unknown names, bad numbers and values out of range.
    void read(std::string_view text);
    /// Replaces a default by what the data says, when that is not 0 and the user wrote nothing else.
    void hint(std::string_view name, std::int64_t value);
    [[nodiscard]] std::int64_t operator[](std::string_view name) const;
    /// std::invalid_argument "zoo model 'gpt': <reason>".
    [[noreturn]] void reject(const std::string &reason) const;

  private:
    Parameter *find(std::string_view name);

    std::string model_;
    std::vector<Parameter> values_;
    std::vector<std::string_view> written_;
};

/// The name with the smallest edit distance to what was typed.
[[nodiscard]] std::string_view nearest(std::string_view typed, std::span<const std::string_view> names);

} // namespace halfscope::model::zoo
