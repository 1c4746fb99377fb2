#include "reports/document/validation_document.h"

#include "emulation/number/format.h"
#include "reports/document/document.h"
#include "reports/document/output_file.h"

#include <fmt/format.h>

#include <fstream>
#include <stdexcept>

namespace halfscope::reports {
namespace {

using kernels::Validation;
using kernels::judge::Element;
using kernels::judge::ExactErrors;
using kernels::judge::Judgement;
using kernels::judge::Operand;

std::string hexadecimal(std::uint64_t bits, number::FormatId format) {
    return fmt::format("0x{:0{}x}", bits, number::format_of(format).storage_bits / 4);
}

Json operand_of(const Operand &operand) {
    return {{"name", operand.name},
            {"format", number::format_of(operand.format).name},
            {"bits", hexadecimal(operand.bits, operand.format)},
            {"value", number_or_name(operand.value)}};
}

Json element_or_null(const std::optional<Element> &element, number::FormatId format) {
    if (!element) return nullptr;
    Json operands = Json::array();
    for (const Operand &operand : element->operands) operands.push_back(operand_of(operand));
    return {
        {"index", element->index},
        {"position", element->position},
        {"tested", {{"bits", hexadecimal(element->tested_bits, format)}, {"value", number_or_name(element->tested)}}},
        {"emulated",
         {{"bits", hexadecimal(element->emulated_bits, format)}, {"value", number_or_name(element->emulated)}}},
        {"exact", number_or_null(element->exact)},
        {"bound", number_or_null(element->bound)},
        {"operands", std::move(operands)},
        {"operands_left_out", element->operands_left_out}};
}

Json errors_or_null(const std::optional<ExactErrors> &errors) {
    if (!errors) return nullptr;
    return {{"elements", errors->elements},
            {"worst_ulp", number_or_name(errors->worst_ulp)},
            {"mean_ulp", number_or_name(errors->mean_ulp)},
            {"worst_relative", number_or_name(errors->worst_relative)},
            {"mean_relative", number_or_name(errors->mean_relative)},
            {"worst_of_bound", number_or_name(errors->worst_of_bound)},
            {"beyond_bound", errors->beyond_bound},
            {"emulated_worst_ulp", number_or_name(errors->emulated_worst_ulp)},
            {"emulated_mean_ulp", number_or_name(errors->emulated_mean_ulp)}};
}

Json validation_of(const Validation &validation) {
    Json document = {{"kernel", validation.kernel},
                     {"task", validation.task},
                     {"place", validation.place},
                     {"operands", validation.operands},
                     {"accumulator", validation.accumulator.empty() ? Json(nullptr) : Json(validation.accumulator)},
                     {"result", validation.result},
                     {"order", validation.order},
                     {"inputs", validation.inputs},
                     {"seconds", validation.seconds}};
    document.update(to_document(validation.judgement));
    return document;
}

} // namespace

Json to_document(const Judgement &judgement) {
    Json tolerance = nullptr;
    if (judgement.tolerance)
        tolerance = {{"rtol", number_or_name(judgement.tolerance->rtol)},
                     {"atol", number_or_name(judgement.tolerance->atol)},
                     {"derivation", judgement.tolerance->derivation}};
    return {{"verdict", kernels::judge::name_of(judgement.verdict)},
            {"passed", kernels::judge::is_pass(judgement.verdict)},
            {"explanation", judgement.explanation},
            {"evidence", judgement.evidence},
            {"model", judgement.model},
            {"identified", judgement.identified ? Json(*judgement.identified) : Json(nullptr)},
            {"format", number::format_of(judgement.format).name},
            {"shape", judgement.shape},
            {"elements", judgement.elements},
            {"bit_equal", judgement.bit_equal},
            {"nan_payload_differences", judgement.nan_payload_differences},
            {"zero_sign_differences", judgement.zero_sign_differences},
            {"nan_mismatches", judgement.nan_mismatches},
            {"infinity_mismatches", judgement.infinity_mismatches},
            {"worst_ulp", judgement.worst_ulp},
            {"worst", element_or_null(judgement.worst, judgement.format)},
            {"errors", errors_or_null(judgement.errors)},
            {"worst_error", element_or_null(judgement.worst_error, judgement.format)},
            {"bound", judgement.bound},
            {"tolerance", std::move(tolerance)}};
}

Json to_document(const kernels::ValidationRun &run) {
    Json validations = Json::array();
    std::int64_t passed = 0, failed = 0, skipped = 0;
    for (const Validation &validation : run.validations) {
        validations.push_back(validation_of(validation));
        const auto verdict = validation.judgement.verdict;
        ++(verdict == kernels::judge::Verdict::skipped ? skipped : kernels::judge::is_pass(verdict) ? passed : failed);
    }
    return {{"schema", validation_schema},
            {"halfscope_version", run.halfscope_version},
            {"command", run.command},
            {"environment", run.environment},
            {"passed", passed},
            {"failed", failed},
            {"skipped", skipped},
            {"kernels", std::move(validations)}};
}

Json read_validation(const std::filesystem::path &folder) {
    const std::filesystem::path file = folder / validation_file_name;
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return nullptr;
    Json document = Json::parse(stream, nullptr, false);
    if (!document.is_object() || document.value("schema", "") != validation_schema || !document.contains("kernels"))
        throw std::runtime_error(
            fmt::format("{} is no document of 'halfscope validate --json' ({}): write it again, or remove it",
                        file.string(), validation_schema));
    return document;
}

void write_json(const kernels::ValidationRun &run, const std::filesystem::path &file) {
    write_output_file(file, to_text(to_document(run)));
}

} // namespace halfscope::reports
