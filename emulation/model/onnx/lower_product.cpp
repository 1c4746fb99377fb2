// Gemm, MatMul and Einsum.
#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

#include <algorithm>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;

/// C = alpha * op(A) op(B) + beta * C. With a parameter as B it is PyTorch's linear.
void gemm(NodeContext &node) {
    const ValueId a = node.in(0), b = node.in(1);
    ops::Matmul product;
    product.transpose_a = node.node.integer("transA", 0) != 0;
    product.transpose_b = node.node.integer("transB", 0) != 0;
    product.alpha = node.node.number("alpha", 1);
    product.beta = node.node.number("beta", 1);
    if (node.rank(a) != 2 || node.rank(b) != 2) throw std::runtime_error("its operands must be matrices");
    if (!node.floating(a) || !node.floating(b)) throw Unsupported("integer operands");
    std::vector<ValueId> operands{a, b};
    if (node.has(2) && product.beta != 0) operands.push_back(node.in(2));
    if (operands.size() == 2) product.beta = 1;
    const bool parameter = !node.draft.value(b).source.empty() && !product.transpose_a;
    node.bind(0, node.emit({OpKind::matmul, product, {}}, operands,
                           {parameter              ? "linear"
                            : operands.size() == 3 ? "addmm"
                                                   : "mm"}));
}

Shape with_axis(const Shape &shape, int at) {
    std::vector<std::int64_t> sizes(shape.sizes().begin(), shape.sizes().end());
    sizes.insert(sizes.begin() + at, 1);
    return Shape(sizes);
}

/// A vector becomes a row on the left and a column on the right; its axis is dropped again afterwards.
void matmul(NodeContext &node) {
    ValueId a = node.in(0), b = node.in(1);
    if (!node.floating(a) || !node.floating(b)) throw Unsupported("integer operands");
    const bool row = node.rank(a) == 1, column = node.rank(b) == 1;
    if (node.rank(a) == 0 || node.rank(b) == 0) throw std::runtime_error("an operand is a scalar");
    if (row) a = node.reshape(a, with_axis(node.shape(a), 0));
    if (column) b = node.reshape(b, with_axis(node.shape(b), 1));
    const ValueId y = node.emit({OpKind::matmul, ops::Matmul{}, {}}, {a, b});
    std::vector<std::int64_t> sizes(node.shape(y).sizes().begin(), node.shape(y).sizes().end());
    if (column) sizes.pop_back();
    if (row) sizes.erase(sizes.end() - (column ? 1 : 2));
    node.bind(0, node.reshape(y, Shape(sizes)));
}

// --- Einsum of one or two operands: sum out what is in one operand only, then one batched matrix product.

struct Term {
    ValueId value;
    std::string labels;
};

std::int64_t size_of_label(const NodeContext &node, const Term &term, char label) {
    return node.shape(term.value)[static_cast<int>(term.labels.find(label))];
}

Term sum_out(NodeContext &node, Term term, const std::string &keep) {
    ops::Reduction reduction;
    std::string left;
    for (std::size_t i = 0; i < term.labels.size(); ++i) {
        if (keep.find(term.labels[i]) != std::string::npos)
            left += term.labels[i];
        else
            reduction.axes.push_back(static_cast<int>(i));
    }
    if (reduction.axes.empty()) return term;
    return {node.emit({OpKind::reduce_sum, std::move(reduction), {}}, {term.value}), left};
}

ValueId permuted(NodeContext &node, const Term &term, const std::string &order) {
    std::vector<int> axes;
    for (char label : order) axes.push_back(static_cast<int>(term.labels.find(label)));
    return node.transpose(term.value, axes);
}

std::int64_t product_of(const NodeContext &node, const Term &term, const std::string &labels) {
    std::int64_t product = 1;
    for (char label : labels) product *= size_of_label(node, term, label);
    return product;
}

void einsum(NodeContext &node) {
    std::string equation = node.node.text("equation", "");
    std::erase(equation, ' ');
    if (equation.find('.') != std::string::npos) throw Unsupported("an ellipsis in its equation " + equation);
    const std::size_t arrow = equation.find("->");
    std::string left = equation.substr(0, arrow), output;
    std::vector<Term> terms;
    for (std::size_t start = 0, i = 0; start <= left.size(); ++i) {
        const std::size_t comma = std::min(left.find(',', start), left.size());
        terms.push_back({node.in(i), left.substr(start, comma - start)});
        start = comma + 1;
    }
    if (terms.size() != node.operands.size()) throw std::runtime_error("its equation does not fit its operands");
    for (const Term &term : terms) {
        std::string sorted = term.labels;
        std::sort(sorted.begin(), sorted.end());
        if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
            throw Unsupported("a diagonal in its equation " + equation);
        if (static_cast<int>(term.labels.size()) != node.rank(term.value))
            throw std::runtime_error("its equation does not fit its operands");
        if (!node.floating(term.value)) throw Unsupported("integer operands");
    }
    if (arrow != std::string::npos) {
        output = equation.substr(arrow + 2);
    } else { // every label that appears once, in alphabetical order
        std::string all;
        for (const Term &term : terms) all += term.labels;
        std::sort(all.begin(), all.end());
        for (char label : all)
            if (std::count(all.begin(), all.end(), label) == 1) output += label;
    }
    for (char label : output) {
        const auto once = std::count(output.begin(), output.end(), label) == 1;
        if (!once || std::none_of(terms.begin(), terms.end(),
                                  [&](const Term &term) { return term.labels.find(label) != std::string::npos; }))
            throw std::runtime_error("its equation asks for an axis that is not there, or twice");
    }
    if (terms.size() == 1) {
        const Term summed = sum_out(node, terms[0], output);
        return node.bind(0, permuted(node, summed, output));
    }
    if (terms.size() != 2) throw Unsupported("more than two operands");

    const Term a = sum_out(node, terms[0], terms[1].labels + output);
    const Term b = sum_out(node, terms[1], terms[0].labels + output);
    std::string batch, rows, columns, inner;
    for (char label : a.labels) {
        const bool in_b = b.labels.find(label) != std::string::npos, kept = output.find(label) != std::string::npos;
        if (in_b && size_of_label(node, a, label) != size_of_label(node, b, label))
            throw std::runtime_error(fmt::format("its operands differ along '{}'", label));
        (in_b ? kept ? batch : inner : rows) += label;
    }
    for (char label : b.labels)
        if (a.labels.find(label) == std::string::npos) columns += label;
    const std::int64_t sizes[4] = {product_of(node, a, batch), product_of(node, a, rows), product_of(node, a, inner),
                                   product_of(node, b, columns)};
    const ValueId x = node.reshape(permuted(node, a, batch + rows + inner), Shape{sizes[0], sizes[1], sizes[2]});
    const ValueId y = node.reshape(permuted(node, b, batch + inner + columns), Shape{sizes[0], sizes[2], sizes[3]});
    const ValueId z = node.emit({OpKind::matmul, ops::Matmul{}, {}}, {x, y}, {"einsum"});
    Term result{none, batch + rows + columns};
    std::vector<std::int64_t> full;
    for (char label : result.labels)
        full.push_back(size_of_label(node, a.labels.find(label) != std::string::npos ? a : b, label));
    result.value = node.reshape(z, checked_shape(full, "its result"));
    node.bind(0, permuted(node, result, output));
}

} // namespace

void add_product_rules(RuleTable &table) {
    table["Gemm"] = gemm;
    table["MatMul"] = matmul;
    table["Einsum"] = einsum;
}

} // namespace halfscope::model::importing
