// `halfscope explain VALUE`: what each format makes of a number, exactly.
#include "cli/command.h"
#include "cli/explain_detector.h"
#include "emulation/number/conversion.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <stdexcept>

namespace halfscope::cli {
namespace {

std::optional<double> parse_number(const std::string &text) {
    double value = 0;
    const char *begin = text.c_str(), *end = begin + text.size();
    const bool negative = text.rfind('-', 0) == 0;
    const bool hexadecimal = text.find("0x") == (negative ? 1u : 0u);
    if (hexadecimal) begin += negative ? 3 : 2;
    const auto [stop, error] =
        std::from_chars(begin, end, value, hexadecimal ? std::chars_format::hex : std::chars_format::general);
    if (error == std::errc::result_out_of_range)
        throw std::invalid_argument(fmt::format("'{}' is outside the range of a double", text));
    if (error != std::errc() || stop != end) return std::nullopt;
    return hexadecimal && negative ? -value : value;
}

std::string what_happens(number::Status status) {
    std::string words;
    if (status & number::overflow) words += "overflow ";
    if (status & number::underflow) words += "underflow ";
    if (status & number::inexact) words += "inexact ";
    return words.empty() ? "exact" : words.substr(0, words.size() - 1);
}

int explain_value(double value) {
    const number::Format &fp64 = number::format_of(number::FormatId::fp64);
    fmt::print("{:.17g} in each format, rounded to nearest even:\n\n", value);
    fmt::print("{:<9} {:>10} {:>24} {:>12} {:>12}  {}\n", "format", "bits", "stored value", "rel. error", "ulp there",
               "what happens");
    for (const number::Format &format : number::formats) {
        if (format.id == number::FormatId::fp64) continue;
        const number::Result result = number::convert(fp64, std::bit_cast<std::uint64_t>(value), format);
        const auto stored = std::bit_cast<double>(number::convert(format, result.bits, fp64).bits);
        const number::Unpacked parts = number::unpack(format, result.bits);
        // Neighbours are one unit of the significand's last place apart; zero's neighbour is the smallest subnormal.
        const int exponent = parts.kind == number::Kind::finite ? parts.exponent : format.emin - format.precision + 1;
        int top = parts.kind == number::Kind::finite ? exponent : format.emin - format.precision + 1;
        if (parts.kind == number::Kind::infinity || parts.is_nan()) top = format.emax - format.precision + 1;
        const double error = value != 0 && std::isfinite(stored) ? std::fabs(stored - value) / std::fabs(value)
                                                                 : (stored == value ? 0.0 : HUGE_VAL);
        std::string note = what_happens(result.status);
        if (stored == 0 && value != 0) note += ": becomes zero";
        if (std::isinf(stored) && std::isfinite(value)) note += ": becomes infinity";
        if (stored != 0 && std::fabs(stored) < std::ldexp(1.0, format.emin)) note += ": subnormal";
        fmt::print("{:<9} {:>#10x} {:>24.17g} {:>12.3g} {:>12.3g}  {}\n", format.name, result.bits, stored, error,
                   std::ldexp(1.0, top), note);
    }
    return done;
}

} // namespace

void add_explain_command(CLI::App &app, Invocation &invocation) {
    auto subject = std::make_shared<std::string>();
    CLI::App *command =
        app.add_subcommand("explain", "What each format makes of a number, or what a detector looks for");
    command
        ->add_option("VALUE|DETECTOR", *subject, "A number (1e-8, 65520, 0x1p-25) or a detector (gradient-underflow)")
        ->required();
    command->callback([subject, &invocation] {
        const auto value = parse_number(*subject);
        invocation.exit_code = value ? explain_value(*value) : explain_detector(*subject);
    });
}

} // namespace halfscope::cli
