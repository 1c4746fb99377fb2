#include "emulation/model/onnx/names.h"

#include <fmt/format.h>

#include <algorithm>

namespace halfscope::model::importing {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::size_t end = text.find(separator);
        if (end != 0) parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return parts;
}

std::string join(const std::vector<std::string> &parts) { return fmt::format("{}", fmt::join(parts, ".")); }

} // namespace

Origin origin_of(const FileNode &node, std::size_t position) {
    Origin origin;
    origin.op = node.op;
    std::vector<std::string> path;
    for (std::string &part : split(node.name, '/')) {
        if (!path.empty() && part.starts_with(path.back() + ".")) path.pop_back();
        path.push_back(std::move(part));
    }
    if (path.empty()) path.push_back(fmt::format("{}_{}", node.op, position));
    origin.name = join(path);
    if (path.size() > 1) path.pop_back();
    origin.layer = join(path);
    return origin;
}

std::string layer_of_parameter(std::string_view name) {
    if (is_made_up(name)) return {};
    const std::size_t dot = name.rfind('.');
    const std::string_view last = dot == std::string_view::npos ? name : name.substr(dot + 1);
    for (std::string_view suffix : {"_weight", "_bias", "_kernel"})
        if (last.ends_with(suffix) && last.size() > suffix.size())
            return std::string(name.substr(0, name.size() - suffix.size()));
    return dot == std::string_view::npos ? std::string{} : std::string(name.substr(0, dot));
}

bool is_made_up(std::string_view name) {
    if (name.empty() || name.front() == '/' || name.starts_with("onnx::")) return true;
    return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string enumerate(const std::vector<std::string> &names, std::size_t most) {
    if (names.size() <= most + 1) {
        if (names.size() < 2) return names.empty() ? std::string{} : names.front();
        const auto last = names.end() - 1;
        return fmt::format("{} and {}", fmt::join(names.begin(), last, ", "), *last);
    }
    const auto end = names.begin() + static_cast<std::ptrdiff_t>(most);
    return fmt::format("{} and {} more", fmt::join(names.begin(), end, ", "), names.size() - most);
}

} // namespace halfscope::model::importing
