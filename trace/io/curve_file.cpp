#include "trace/io/curve_file.h"

#include "trace/io/event_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>

namespace halfscope::trace {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 9> step_names{
    "step", "steps", "global_step", "_step", "trainer/global_step", "iteration", "iterations", "iter", "itr"};

std::string lower(std::string_view text) {
    std::string result;
    for (const char c : text) result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return result;
}

bool contains(const std::string &text, std::string_view part) { return text.find(part) != std::string::npos; }

std::optional<Quantity> quantity_of(std::string_view name) {
    const std::string text = lower(name);
    const bool held_out =
        contains(text, "val") || contains(text, "eval") || contains(text, "test") || contains(text, "held");
    if (contains(text, "loss_scale") || contains(text, "loss scale")) return std::nullopt;
    if (contains(text, "loss")) return held_out ? Quantity::held_out_loss : Quantity::training_loss;
    if (contains(text, "acc")) return Quantity::held_out_accuracy;
    return std::nullopt;
}

/// One line's fields; a quoted field may hold the separator and doubled quotes.
std::vector<std::string> fields_of(std::string_view line, char separator) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"')
            fields.back() += line[++i];
        else if (c == '"')
            quoted = !quoted;
        else if (c == separator && !quoted)
            fields.emplace_back();
        else if (c != '\r')
            fields.back() += c;
    }
    for (std::string &field : fields) {
        field.erase(0, field.find_first_not_of(' '));
        field.erase(field.find_last_not_of(' ') + 1);
    }
    return fields;
}

char separator_of(std::string_view header) {
    const auto count = [&](char c) { return std::count(header.begin(), header.end(), c); };
    if (count('\t') > count(',') && count('\t') >= count(';')) return '\t';
    return count(';') > count(',') ? ';' : ',';
}

double number_of(const std::string &field, const std::string &where, std::size_t line, const std::string &column) {
    double value = 0;
    const char *begin = field.data() + (field.starts_with('+') ? 1 : 0), *end = field.data() + field.size();
    const auto [stop, error] = std::from_chars(begin, end, value);
    if ((error != std::errc() && error != std::errc::result_out_of_range) || stop != end)
        throw std::runtime_error(
            fmt::format("{}: line {}: '{}' in column '{}' is not a number", where, line, field, column));
    return value;
}

void append(Curve &curve, std::int64_t step, double value) {
    if (!curve.steps.empty() && step <= curve.steps.back())
        throw std::runtime_error(fmt::format("{}: the steps of '{}' do not rise ({} after {}); give one run in a file",
                                             curve.file, curve.column, step, curve.steps.back()));
    curve.steps.push_back(step);
    curve.values.push_back(value);
}

std::vector<Curve> with_points(std::vector<Curve> curves, const std::string &where, const std::string &names) {
    std::erase_if(curves, [](const Curve &curve) { return curve.steps.empty(); });
    if (curves.empty())
        throw std::runtime_error(fmt::format("{}: it has no loss (a column or tag with 'loss' in its name); it has {}",
                                             where, names.empty() ? "nothing" : names));
    return curves;
}

std::string content_of(const fs::path &file) {
    std::ifstream in(file, std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), {});
    if (!in) throw std::runtime_error(fmt::format("{}: it cannot be read", file.string()));
    return text;
}

std::vector<Curve> curves_of(const std::vector<Scalar> &scalars, const std::string &where) {
    std::vector<Curve> curves;
    std::map<std::string, bool> tags; // in the order of their names, for the message
    for (const Scalar &scalar : scalars) {
        tags[scalar.tag] = true;
        const auto quantity = quantity_of(scalar.tag);
        if (!quantity) continue;
        auto curve =
            std::find_if(curves.begin(), curves.end(), [&](const Curve &c) { return c.quantity == *quantity; });
        if (curve == curves.end()) curve = curves.insert(curves.end(), Curve{where, scalar.tag, *quantity, {}, {}});
        if (curve->column == scalar.tag) append(*curve, scalar.step, scalar.value);
    }
    std::string names;
    for (const auto &[tag, present] : tags) names += (names.empty() ? "" : ", ") + tag;
    return with_points(std::move(curves), where, names);
}

bool is_event_file(const fs::path &file) { return contains(file.filename().string(), "tfevents"); }

} // namespace

std::vector<Curve> parse_table(std::string_view text, const std::string &where) {
    std::vector<std::string> header;
    std::vector<Curve> curves;
    std::vector<std::size_t> column_of_curve;
    std::size_t step_column = 0, number = 0;
    char separator = ',';
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        at = end + 1;
        ++number;
        if (line.empty() || line == "\r") continue;
        if (header.empty()) {
            separator = separator_of(line);
            header = fields_of(line, separator);
            const auto step = std::find_if(header.begin(), header.end(), [](const std::string &name) {
                return std::find(step_names.begin(), step_names.end(), lower(name)) != step_names.end();
            });
            if (step == header.end())
                throw std::runtime_error(fmt::format("{}: it has no step column (step, global_step, iteration or "
                                                     "iter); its columns are {}",
                                                     where, fmt::join(header, ", ")));
            step_column = static_cast<std::size_t>(step - header.begin());
            for (std::size_t i = 0; i < header.size(); ++i) {
                const auto quantity = quantity_of(lower(header[i]) == "value" ? "loss" : header[i]);
                if (!quantity || i == step_column ||
                    std::any_of(curves.begin(), curves.end(), [&](const Curve &c) { return c.quantity == *quantity; }))
                    continue;
                curves.push_back({where, header[i], *quantity, {}, {}});
                column_of_curve.push_back(i);
            }
            continue;
        }
        const std::vector<std::string> fields = fields_of(line, separator);
        if (fields.size() <= step_column || fields[step_column].empty()) continue;
        const double step = number_of(fields[step_column], where, number, header[step_column]);
        if (!(std::abs(step) < 0x1p53) || step != std::floor(step))
            throw std::runtime_error(
                fmt::format("{}: line {}: the step {} is not a whole number", where, number, fields[step_column]));
        for (std::size_t i = 0; i < curves.size(); ++i)
            if (const std::size_t column = column_of_curve[i]; column < fields.size() && !fields[column].empty())
                append(curves[i], static_cast<std::int64_t>(step),
                       number_of(fields[column], where, number, header[column]));
    }
    if (header.empty()) throw std::runtime_error(fmt::format("{}: it is empty", where));
    return with_points(std::move(curves), where, fmt::format("{}", fmt::join(header, ", ")));
}

std::vector<Curve> read_curves(const fs::path &file) {
    const std::string where = file.string();
    std::error_code error;
    if (!fs::exists(file, error)) throw std::runtime_error(fmt::format("{}: no such file", where));
    fs::path found = file;
    if (fs::is_directory(file, error)) {
        found.clear();
        for (const auto &entry : fs::directory_iterator(file))
            if (is_event_file(entry.path()) && entry.path() > found) found = entry.path();
        if (found.empty())
            throw std::runtime_error(fmt::format("{}: the directory holds no TensorBoard event file", where));
    }
    if (is_event_file(found)) return curves_of(parse_event_file(content_of(found), where), where);
    return parse_table(content_of(found), where);
}

} // namespace halfscope::trace
