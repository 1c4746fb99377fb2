// `halfscope testfloat FUNCTION`: the middle of Berkeley TestFloat's pipe, testfloat_gen | halfscope testfloat |
// testfloat_ver.
#include "cli/command.h"
#include "cli/testfloat_functions.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <vector>

namespace halfscope::cli {
namespace {

constexpr std::array<signed char, 256> make_hex_values() {
    std::array<signed char, 256> values{};
    for (auto &value : values) value = -1;
    for (int digit = 0; digit < 10; ++digit)
        values[std::size_t{'0'} + static_cast<std::size_t>(digit)] = static_cast<signed char>(digit);
    for (int digit = 0; digit < 6; ++digit) {
        values[std::size_t{'A'} + static_cast<std::size_t>(digit)] = static_cast<signed char>(10 + digit);
        values[std::size_t{'a'} + static_cast<std::size_t>(digit)] = static_cast<signed char>(10 + digit);
    }
    return values;
}
constexpr auto hex_values = make_hex_values();

void append_hex(std::string &out, std::uint64_t value, int digits) {
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789ABCDEF"[(value >> shift) & 15];
}

/// Reads the operands of one line; throws with the line's number when it is not what TestFloat's generator writes.
void parse_line(std::string_view line, std::uint64_t number, const TestfloatFunction &function,
                std::uint64_t *operands) {
    std::size_t at = 0;
    const auto fail = [&](const std::string &reason) {
        throw std::invalid_argument(fmt::format("standard input line {}: '{}' {}", number, line.substr(0, 60), reason));
    };
    for (std::size_t i = 0; i < function.operands.size(); ++i) {
        while (at < line.size() && line[at] == ' ') ++at;
        std::uint64_t value = 0;
        int digits = 0;
        while (at < line.size() && hex_values[static_cast<unsigned char>(line[at])] >= 0) {
            value = value << 4 | static_cast<std::uint64_t>(hex_values[static_cast<unsigned char>(line[at])]);
            ++at;
            ++digits;
        }
        if (digits != function.operands[i])
            fail(fmt::format("does not hold {} operand(s) of {} hexadecimal digits", function.operands.size(),
                             function.operands[i]));
        operands[i] = value;
    }
    while (at < line.size() && (line[at] == ' ' || line[at] == '\r')) ++at;
    if (at != line.size())
        fail(fmt::format("has more than the {} operand(s) of this function", function.operands.size()));
}

/// Lines in, lines out, a chunk at a time: the pipe keeps flowing and millions of cases take seconds.
void run(const TestfloatFunction &function, const number::RoundingMode &mode, number::Exactness exactness) {
    std::vector<char> chunk(std::size_t{1} << 20);
    std::string pending, out;
    std::uint64_t line_number = 0;
    std::array<std::uint64_t, 3> operands{};
    const auto one = [&](std::string_view line) {
        ++line_number;
        if (line.empty()) return;
        parse_line(line, line_number, function, operands.data());
        const number::Result result = function.call(operands.data(), mode, exactness);
        for (std::size_t i = 0; i < function.operands.size(); ++i) {
            append_hex(out, operands[i], function.operands[i]);
            out += ' ';
        }
        append_hex(out, result.bits, function.result);
        out += ' ';
        append_hex(out, result.status, 2);
        out += '\n';
    };
    const auto flush = [&] {
        if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size() || std::fflush(stdout) != 0)
            throw std::runtime_error("standard output cannot be written; the program reading it has stopped");
        out.clear();
    };
    try {
        for (std::size_t got = 0; (got = std::fread(chunk.data(), 1, chunk.size(), stdin)) > 0;) {
            pending.append(chunk.data(), got);
            std::size_t start = 0;
            for (std::size_t end = 0; (end = pending.find('\n', start)) != std::string::npos; start = end + 1)
                one(std::string_view(pending).substr(start, end - start));
            pending.erase(0, start);
            flush();
        }
        if (!pending.empty()) one(pending);
    } catch (const std::invalid_argument &) {
        flush(); // the cases before the bad line stand
        throw;
    }
    flush();
}

struct Options {
    std::string function;
    std::string rounding = "near_even";
    std::string tininess = "after";
    bool exact = false;
};

} // namespace

void add_testfloat_command(CLI::App &app, Invocation & /*invocation*/) {
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand(
        "testfloat",
        "Run Berkeley TestFloat's cases through the emulator: testfloat_gen | halfscope testfloat | testfloat_ver");
    command
        ->add_option("FUNCTION", options->function,
                     "f16_add, f16_mulAdd, bf16_to_i32, i64_to_f16, f16_eq, f32_to_bf16, ... (f16, bf16, f32, f64)")
        ->required();
    command->add_option("--rounding", options->rounding, "Rounding mode")
        ->check(CLI::IsMember({"near_even", "minMag", "min", "max", "near_maxMag"}))
        ->capture_default_str();
    command->add_option("--tininess", options->tininess, "When underflow is detected, relative to rounding")
        ->check(CLI::IsMember({"before", "after"}))
        ->capture_default_str();
    command->add_flag("--exact", options->exact, "Rounding to an integer raises inexact (TestFloat's -exact)");
    command->callback([options] {
        static const std::map<std::string, number::Rounding> roundings{{"near_even", number::Rounding::nearest_even},
                                                                       {"minMag", number::Rounding::toward_zero},
                                                                       {"min", number::Rounding::down},
                                                                       {"max", number::Rounding::up},
                                                                       {"near_maxMag", number::Rounding::nearest_away}};
        number::RoundingMode mode;
        mode.rounding = roundings.at(options->rounding);
        mode.tininess =
            options->tininess == "before" ? number::Tininess::before_rounding : number::Tininess::after_rounding;
        run(testfloat_function(options->function), mode,
            options->exact ? number::Exactness::signal_inexact : number::Exactness::silent);
    });
}

} // namespace halfscope::cli
