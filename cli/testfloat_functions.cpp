#include "cli/testfloat_functions.h"

#include "cli/nearest_name.h"
#include "emulation/number/arithmetic.h"
#include "emulation/number/comparison.h"

#include <fmt/format.h>

#include <map>
#include <stdexcept>

namespace halfscope::cli {
namespace {

using number::Exactness;
using number::Format;
using number::FormatId;
using number::NanSignal;
using number::Result;
using number::RoundingMode;
using Operands = const std::uint64_t *;

struct NamedFormat {
    std::string_view name;
    FormatId id;
};
constexpr NamedFormat float_names[] = {
    {"f16", FormatId::fp16}, {"bf16", FormatId::bf16}, {"f32", FormatId::fp32}, {"f64", FormatId::fp64}};

using Table = std::map<std::string, TestfloatFunction, std::less<>>;

Result from_truth(number::Truth truth) { return {truth.value ? 1u : 0u, truth.status}; }

template <FormatId id> void add_arithmetic(Table &table, const std::string &name) {
    static constexpr const Format &f = number::format_of(id);
    const Digits width = f.storage_bits / 4;
    table[name + "_add"] = {{width, width}, width, [](Operands x, const RoundingMode &m, Exactness) {
                                return number::add(f, x[0], x[1], m);
                            }};
    table[name + "_sub"] = {{width, width}, width, [](Operands x, const RoundingMode &m, Exactness) {
                                return number::subtract(f, x[0], x[1], m);
                            }};
    table[name + "_mul"] = {{width, width}, width, [](Operands x, const RoundingMode &m, Exactness) {
                                return number::multiply(f, x[0], x[1], m);
                            }};
    table[name + "_div"] = {{width, width}, width, [](Operands x, const RoundingMode &m, Exactness) {
                                return number::divide(f, x[0], x[1], m);
                            }};
    table[name + "_rem"] = {{width, width}, width, [](Operands x, const RoundingMode &, Exactness) {
                                return number::remainder(f, x[0], x[1]);
                            }};
    table[name + "_mulAdd"] = {{width, width, width}, width, [](Operands x, const RoundingMode &m, Exactness) {
                                   return number::fused_multiply_add(f, x[0], x[1], x[2], m);
                               }};
    table[name + "_sqrt"] = {
        {width}, width, [](Operands x, const RoundingMode &m, Exactness) { return number::square_root(f, x[0], m); }};
    table[name + "_roundToInt"] = {{width}, width, [](Operands x, const RoundingMode &m, Exactness e) {
                                       return number::round_to_integral(f, x[0], m, e);
                                   }};
}

template <FormatId id> void add_comparisons(Table &table, const std::string &name) {
    static constexpr const Format &f = number::format_of(id);
    const Digits width = f.storage_bits / 4;
    table[name + "_eq"] = {{width, width}, 1, [](Operands x, const RoundingMode &, Exactness) {
                               return from_truth(number::equal(f, x[0], x[1]));
                           }};
    table[name + "_le"] = {{width, width}, 1, [](Operands x, const RoundingMode &, Exactness) {
                               return from_truth(number::less_equal(f, x[0], x[1]));
                           }};
    table[name + "_lt"] = {{width, width}, 1, [](Operands x, const RoundingMode &, Exactness) {
                               return from_truth(number::less(f, x[0], x[1]));
                           }};
    table[name + "_eq_signaling"] = {{width, width}, 1, [](Operands x, const RoundingMode &, Exactness) {
                                         return from_truth(number::equal(f, x[0], x[1], NanSignal::signaling));
                                     }};
    table[name + "_le_quiet"] = {{width, width}, 1, [](Operands x, const RoundingMode &, Exactness) {
                                     return from_truth(number::less_equal(f, x[0], x[1], NanSignal::quiet));
                                 }};
    table[name + "_lt_quiet"] = {{width, width}, 1, [](Operands x, const RoundingMode &, Exactness) {
                                     return from_truth(number::less(f, x[0], x[1], NanSignal::quiet));
                                 }};
}

template <FormatId id, class Integer>
void add_integer(Table &table, const std::string &name, const std::string &integer) {
    static constexpr const Format &f = number::format_of(id);
    const Digits width = f.storage_bits / 4;
    const Digits integer_width = static_cast<Digits>(sizeof(Integer) * 2);
    table[name + "_to_" + integer] = {{width}, integer_width, [](Operands x, const RoundingMode &m, Exactness e) {
                                          return number::to_integer<Integer>(f, x[0], m, e);
                                      }};
    table[integer + "_to_" + name] = {{integer_width}, width, [](Operands x, const RoundingMode &m, Exactness) {
                                          return number::from_integer(static_cast<Integer>(x[0]), f, m);
                                      }};
}

template <FormatId id> void add_format(Table &table, const std::string &name) {
    add_arithmetic<id>(table, name);
    add_comparisons<id>(table, name);
    add_integer<id, std::uint32_t>(table, name, "ui32");
    add_integer<id, std::uint64_t>(table, name, "ui64");
    add_integer<id, std::int32_t>(table, name, "i32");
    add_integer<id, std::int64_t>(table, name, "i64");
    const Digits width = number::format_of(id).storage_bits / 4;
    for (const NamedFormat &to : float_names) {
        if (to.id == id) continue;
        const Format *target = &number::format_of(to.id);
        table[name + "_to_" + std::string(to.name)] = {
            {width}, target->storage_bits / 4, [target](Operands x, const RoundingMode &m, Exactness) {
                return number::convert(number::format_of(id), x[0], *target, m);
            }};
    }
}

const Table &table() {
    static const Table functions = [] {
        Table t;
        add_format<FormatId::fp16>(t, "f16");
        add_format<FormatId::bf16>(t, "bf16");
        add_format<FormatId::fp32>(t, "f32");
        add_format<FormatId::fp64>(t, "f64");
        return t;
    }();
    return functions;
}

} // namespace

std::vector<std::string> testfloat_function_names() {
    std::vector<std::string> names;
    for (const auto &[name, function] : table()) names.push_back(name);
    return names;
}

TestfloatFunction testfloat_function(std::string_view name) {
    const auto found = table().find(name);
    if (found == table().end())
        throw std::invalid_argument(fmt::format("testfloat has no function '{}'; the nearest is '{}'", name,
                                                nearest_name(name, testfloat_function_names())));
    return found->second;
}

} // namespace halfscope::cli
