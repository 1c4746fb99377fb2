// `halfscope formats`: the number formats and their limits, from the same rows the arithmetic uses.
#include "cli/command.h"
#include "emulation/number/conversion.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

namespace halfscope::cli {
namespace {

double as_double(const number::Format &format, std::uint64_t bits) {
    return std::bit_cast<double>(number::convert(format, bits, number::format_of(number::FormatId::fp64)).bits);
}

void print_formats() {
    fmt::print("{:<9} {:>4} {:>11} {:>12} {:>15} {:>15} {:>13}\n", "format", "bits", "significand", "max finite",
               "smallest normal", "smallest subn.", "integers to");
    for (const number::Format &format : number::formats) {
        const double smallest = std::ldexp(1.0, format.emin);
        fmt::print("{:<9} {:>4} {:>11} {:>12.6g} {:>15.6g} {:>15.6g} {:>13.6g}\n", format.name,
                   format.storage_bits - format.padding_bits(), format.precision,
                   as_double(format, number::max_finite(format, false)), smallest,
                   std::ldexp(1.0, format.emin - format.precision + 1), std::ldexp(1.0, format.precision));
    }
    fmt::print("\nsignificand: bits with the hidden one. integers to: every integer up to this is representable.\n");
}

} // namespace

void add_formats_command(CLI::App &app, Invocation & /*invocation*/) {
    app.add_subcommand("formats", "Number formats and their limits")->callback([] { print_formats(); });
}

} // namespace halfscope::cli
