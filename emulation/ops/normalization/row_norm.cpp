// layer_norm, rms_norm, group_norm: rows of consecutive elements, each with its own statistics.
#include "emulation/ops/formulas/formulas.h"
#include "emulation/ops/formulas/trees.h"
#include "emulation/ops/normalization/channels.h"
#include "emulation/ops/normalization/column_tree.h"
#include "emulation/ops/normalization/normalization.h"
#include "emulation/ops/produce_units.h"
#include "emulation/ops/transcendental.h"

namespace halfscope::ops::normalization {
namespace {

/// How a row-wise normalisation lies on its operand.
struct Rows {
    std::int64_t rows = 0, length = 0;
    bool centred = true;        ///< rms_norm subtracts no mean
    std::int64_t groups = 1;    ///< group_norm: row r belongs to group r % groups
    std::int64_t per_value = 1; ///< consecutive elements that share a gamma (group_norm: the space)

    /// Where in gamma the values of a row start.
    [[nodiscard]] std::int64_t first_value(std::int64_t row) const { return row % groups * (length / per_value); }
    [[nodiscard]] std::int64_t values() const { return groups * (length / per_value); }
};

Rows rows_of(const KernelCall &call, const Shape &shape) {
    const auto &attributes = call.operation.get<Normalization>();
    Rows rows;
    const OpKind kind = call.operation.kind;
    rows.centred = kind != OpKind::rms_norm && kind != OpKind::rms_norm_gradient;
    if (kind == OpKind::group_norm || kind == OpKind::group_norm_gradient) {
        const Channels channels = channels_of(call, shape);
        rows.groups = attributes.groups;
        if (rows.groups < 1 || channels.channels % rows.groups != 0)
            call.reject(std::to_string(channels.channels) + " channels cannot form " + std::to_string(rows.groups) +
                        " groups");
        rows.per_value = channels.space;
        rows.rows = channels.samples * rows.groups;
        rows.length = channels.channels / rows.groups * channels.space;
        return rows;
    }
    if (attributes.axis < 0 || attributes.axis > shape.rank())
        call.reject("axis " + std::to_string(attributes.axis) + " lies outside the shape " + shape.text());
    rows.rows = rows.length = 1;
    for (int axis = 0; axis < shape.rank(); ++axis) (axis < attributes.axis ? rows.rows : rows.length) *= shape[axis];
    return rows;
}

template <typename C> struct RowStatistics { C mean = 0, rstd = 0; };

template <typename C> RowStatistics<C> statistics_of_row(const C *x, std::int64_t n, bool centred, C epsilon) {
    const C count = static_cast<C>(n);
    if (!centred) return {0, transcendental::rsqrt(formulas::tree_sum_squares(x, n) / count + epsilon)};
    const C mean = formulas::tree_sum(x, n) / count;
    const C variance = formulas::tree_sum_squared_differences(x, mean, n) / count;
    return {mean, transcendental::rsqrt(variance + epsilon)};
}

/// An optional per-value operand (gamma or beta), or null.
template <typename C>
const C *optional_values(const KernelCall &call, std::size_t input, const Rows &rows, std::vector<C> &storage) {
    if (call.inputs.size() <= input) return nullptr;
    if (call.inputs[input].shape.elements() != rows.values())
        call.reject("needs " + std::to_string(rows.values()) + " weights, got " + call.inputs[input].shape.text());
    return load_all<C>(call.inputs[input], storage, call.threads);
}

void require_elements(const KernelCall &call, const TensorView &view, std::int64_t elements, const char *what) {
    if (view.shape.elements() != elements)
        call.reject(std::string(what) + " needs " + std::to_string(elements) + " elements, got " + view.shape.text());
}

/// out = h * gamma for one row; h may be out.
template <typename C> void scale_row(const Rows &rows, const C *h, const C *gamma, C *out) {
    if (!gamma) {
        if (h != out) std::copy(h, h + rows.length, out);
        return;
    }
    if (rows.per_value == 1) {
        for (std::int64_t i = 0; i < rows.length; ++i) out[i] = h[i] * gamma[i];
        return;
    }
    for (std::int64_t value = 0; value * rows.per_value < rows.length; ++value)
        for (std::int64_t i = value * rows.per_value; i < (value + 1) * rows.per_value; ++i)
            out[i] = h[i] * gamma[value];
}

/// h = (x - mean) * rstd, or x * rstd.
template <typename C> void normalised_row(const Rows &rows, const C *x, const RowStatistics<C> &row, C *h) {
    if (rows.centred)
        for (std::int64_t i = 0; i < rows.length; ++i) h[i] = (x[i] - row.mean) * row.rstd;
    else
        for (std::int64_t i = 0; i < rows.length; ++i) h[i] = x[i] * row.rstd;
}

/// One row of the result; gamma and beta (null where absent) are those of the row. x may be out.
template <typename C>
void result_row(const Rows &rows, const C *x, const RowStatistics<C> &row, const C *gamma, const C *beta, C *out) {
    if (!beta) {
        normalised_row(rows, x, row, out);
        scale_row<C>(rows, out, gamma, out);
    } else if (rows.per_value == 1) {
        formulas::normalise_each(x, gamma, beta, row.mean, row.rstd, out, static_cast<std::size_t>(rows.length));
    } else {
        for (std::int64_t value = 0, at = 0; at < rows.length; ++value, at += rows.per_value)
            formulas::normalise(x + at, row.mean, row.rstd, gamma[value], beta[value], out + at,
                                static_cast<std::size_t>(rows.per_value));
    }
}

/// Operands of a gradient: (dy, x[, mean], rstd[, gamma]).
template <typename C> struct GradientOperands {
    Rows rows;
    const C *mean = nullptr, *rstd = nullptr, *gamma = nullptr;
    std::array<std::vector<C>, 3> storage;

    [[nodiscard]] RowStatistics<C> statistics(std::int64_t row) const { return {mean ? mean[row] : C(0), rstd[row]}; }
};

template <typename C> GradientOperands<C> gradient_operands(const KernelCall &call) {
    const std::size_t statistics = call.operation.kind == OpKind::rms_norm_gradient ? 1 : 2;
    if (call.inputs.size() < 2 + statistics || call.inputs.size() > 3 + statistics || call.outputs.empty() ||
        call.outputs.size() > 1 + statistics)
        call.reject("takes (dy, x, statistics[, gamma]) and gives (dx[, gradients of the weights])");
    if (!(call.inputs[0].shape == call.inputs[1].shape) || !(call.outputs[0].shape == call.inputs[1].shape))
        call.reject("dy, x and dx differ in shape");
    GradientOperands<C> operands;
    operands.rows = rows_of(call, call.inputs[1].shape);
    for (std::size_t i = 2; i < 2 + statistics; ++i)
        require_elements(call, call.inputs[i], operands.rows.rows, "each row statistic");
    for (std::size_t i = 1; i < call.outputs.size(); ++i)
        require_elements(call, call.outputs[i], operands.rows.values(), "a gradient of the weights");
    if (statistics == 2) operands.mean = load_all<C>(call.inputs[2], operands.storage[0], call.threads);
    operands.rstd = load_all<C>(call.inputs[1 + statistics], operands.storage[1], call.threads);
    operands.gamma = optional_values(call, 2 + statistics, operands.rows, operands.storage[2]);
    return operands;
}

template <typename C> void input_gradient(const KernelCall &call, const GradientOperands<C> &operands) {
    const Rows &rows = operands.rows;
    const std::int64_t length = rows.length;
    produce_units<C>(call, 0, length, [&](std::int64_t number, C *out) {
        thread_local std::vector<C> g_storage, h_storage;
        g_storage.resize(static_cast<std::size_t>(length));
        h_storage.resize(static_cast<std::size_t>(length));
        C *g = g_storage.data(), *h = h_storage.data();
        const RowStatistics<C> row = operands.statistics(number);
        const C *dy = load<C>(call.inputs[0], number * length, length, g);
        const C *gamma = operands.gamma ? operands.gamma + rows.first_value(number) : nullptr;
        scale_row<C>(rows, dy, gamma, g);
        normalised_row(rows, load<C>(call.inputs[1], number * length, length, h), row, h);
        const C n = static_cast<C>(length);
        const C b = formulas::tree_sum_products(static_cast<const C *>(g), static_cast<const C *>(h), length) / n;
        const C a = rows.centred ? formulas::tree_sum(static_cast<const C *>(g), length) / n : C(0); // g - 0 is g
        formulas::row_gradient(static_cast<const C *>(g), static_cast<const C *>(h), b, a, row.rstd, out,
                               static_cast<std::size_t>(length));
    });
}

/// Gradients of gamma and beta where each element of a row has its own: trees down the columns.
template <typename C>
void column_gradients(const KernelCall &call, const GradientOperands<C> &operands, C *dgamma, C *dbeta) {
    const Rows &rows = operands.rows;
    call.threads.run((rows.length + column_task - 1) / column_task, [&](std::int64_t task) {
        const std::int64_t first = task * column_task, columns = std::min(column_task, rows.length - first);
        alignas(64) C scratch[2][column_task];
        column_trees<C>(rows.rows, columns, dgamma + first, [&](std::int64_t number, C *terms) {
            const RowStatistics<C> row = operands.statistics(number);
            const std::int64_t at = number * rows.length + first;
            const C *dy = load<C>(call.inputs[0], at, columns, scratch[0]);
            const C *x = load<C>(call.inputs[1], at, columns, scratch[1]);
            if (rows.centred)
                for (std::int64_t j = 0; j < columns; ++j) terms[j] = dy[j] * ((x[j] - row.mean) * row.rstd);
            else
                for (std::int64_t j = 0; j < columns; ++j) terms[j] = dy[j] * (x[j] * row.rstd);
        });
        if (dbeta)
            column_trees<C>(rows.rows, columns, dbeta + first, [&](std::int64_t number, C *terms) {
                const C *dy = load<C>(call.inputs[0], number * rows.length + first, columns, scratch[0]);
                std::copy(dy, dy + columns, terms);
            });
    });
}

/// Gradients of group_norm's gamma and beta: per channel, over N and space in that order.
template <typename C>
void channel_gradients(const KernelCall &call, const GradientOperands<C> &operands, C *dgamma, C *dbeta) {
    const Rows &rows = operands.rows;
    const Channels channels = channels_of(call, call.inputs[1].shape);
    const std::int64_t per_group = channels.channels / rows.groups, n = channels.count();
    call.threads.run(channels.channels, [&](std::int64_t channel) {
        thread_local std::vector<C> dy, terms;
        dy.resize(static_cast<std::size_t>(n));
        terms.resize(static_cast<std::size_t>(n));
        load_channel<C>(call.inputs[0], channels, channel, 0, n, dy.data());
        load_channel<C>(call.inputs[1], channels, channel, 0, n, terms.data());
        for (std::int64_t i = 0; i < n; ++i) {
            const RowStatistics<C> row = operands.statistics(i / channels.space * rows.groups + channel / per_group);
            C &term = terms[static_cast<std::size_t>(i)];
            term = dy[static_cast<std::size_t>(i)] * ((term - row.mean) * row.rstd);
        }
        dgamma[channel] = formulas::tree_sum(static_cast<const C *>(terms.data()), n);
        if (dbeta) dbeta[channel] = formulas::tree_sum(static_cast<const C *>(dy.data()), n);
    });
}

} // namespace

template <typename C> void row_norm(const KernelCall &call) {
    const bool centred = call.operation.kind != OpKind::rms_norm;
    const std::size_t statistics = centred ? 2 : 1;
    if (call.inputs.empty() || call.inputs.size() > 1 + statistics ||
        (call.outputs.size() != 1 && call.outputs.size() != 1 + statistics))
        call.reject("takes x and its weights and gives y and the row statistics");
    if (!(call.outputs[0].shape == call.inputs[0].shape)) call.reject("x and y differ in shape");
    const Rows rows = rows_of(call, call.inputs[0].shape);
    std::vector<C> gamma_storage, beta_storage;
    const C *gamma = optional_values(call, 1, rows, gamma_storage),
            *beta = optional_values(call, 2, rows, beta_storage);
    for (std::size_t i = 1; i < call.outputs.size(); ++i)
        require_elements(call, call.outputs[i], rows.rows, "each row statistic");

    const C epsilon = static_cast<C>(call.operation.get<Normalization>().epsilon);
    const std::int64_t length = rows.length;
    std::vector<C> means(static_cast<std::size_t>(rows.rows)), rstds(static_cast<std::size_t>(rows.rows));
    constexpr std::int64_t rows_per_task = 16;
    call.threads.run((rows.rows + rows_per_task - 1) / rows_per_task, [&](std::int64_t task) {
        thread_local std::vector<C> scratch;
        scratch.resize(static_cast<std::size_t>(length));
        for (std::int64_t row = task * rows_per_task; row < std::min(rows.rows, (task + 1) * rows_per_task); ++row) {
            const C *x = load<C>(call.inputs[0], row * length, length, scratch.data());
            const RowStatistics<C> of_row = statistics_of_row(x, length, centred, epsilon);
            means[static_cast<std::size_t>(row)] = of_row.mean;
            rstds[static_cast<std::size_t>(row)] = of_row.rstd;
        }
    });
    produce_units<C>(call, 0, length, [&](std::int64_t row, C *out) {
        const C *x = load<C>(call.inputs[0], row * length, length, out);
        const std::int64_t first = rows.first_value(row);
        result_row(rows, x, {means[static_cast<std::size_t>(row)], rstds[static_cast<std::size_t>(row)]},
                   gamma ? gamma + first : nullptr, beta ? beta + first : nullptr, out);
    });
    if (call.outputs.size() == 1) return;
    if (centred) store<C>(call, 1, means.data());
    store<C>(call, statistics, rstds.data());
}

template <typename C> void row_norm_gradient(const KernelCall &call) {
    const GradientOperands<C> operands = gradient_operands<C>(call);
    input_gradient(call, operands);
    if (call.outputs.size() == 1) return;
    const auto values = static_cast<std::size_t>(operands.rows.values());
    std::vector<C> dgamma(values), dbeta(call.outputs.size() > 2 ? values : 0);
    C *dbeta_or_null = dbeta.empty() ? nullptr : dbeta.data();
    if (call.operation.kind == OpKind::group_norm_gradient)
        channel_gradients(call, operands, dgamma.data(), dbeta_or_null);
    else
        column_gradients(call, operands, dgamma.data(), dbeta_or_null);
    store<C>(call, 1, dgamma.data());
    if (call.outputs.size() > 2) store<C>(call, 2, dbeta.data());
}

template void row_norm<float>(const KernelCall &);
template void row_norm<double>(const KernelCall &);
template void row_norm_gradient<float>(const KernelCall &);
template void row_norm_gradient<double>(const KernelCall &);

} // namespace halfscope::ops::normalization
