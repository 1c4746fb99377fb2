#include "kernels/judge/identify_product.h"

#include "kernels/judge/compare.h"

#include "emulation/ops/matmul/accumulation_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>

namespace halfscope::kernels::judge {
namespace {

using Kind = ProductMatch::Kind;
using number::FormatId;
using ops::Accumulation;

/// One way for the result to leave fp32.
struct Leaving {
    std::optional<FormatId> through;
    bool truncated = false;

    [[nodiscard]] bool plain() const { return !through && !truncated; }
    [[nodiscard]] std::string name() const {
        if (plain()) return "";
        if (!through) return ", the result cut instead of rounded";
        return fmt::format(", the result {} to {}", truncated ? "cut" : "rounded", number::format_of(*through).name);
    }
};

std::vector<Leaving> leavings(ops::DType storage) {
    std::vector<Leaving> all{{}};
    const auto fp = [&](FormatId format) {
        all.push_back({format, false});
        all.push_back({format, true});
    };
    if (storage == ops::DType::fp32) fp(FormatId::fp16), fp(FormatId::bf16), fp(FormatId::tf32);
    if (storage != ops::DType::fp32) all.push_back({std::nullopt, true});
    if (storage == ops::DType::fp16) fp(FormatId::bf16);
    if (storage == ops::DType::bf16) fp(FormatId::fp16);
    return all;
}

/// How GotoBLAS and its descendants cut k for a block length q: whole blocks, and the rest up to 2 q in two halves
/// (rounded up to a multiple of `unroll`). OpenBLAS, driver/level3/level3.c: GEMM_Q and GEMM_UNROLL_M.
std::vector<std::int64_t> goto_lengths(std::int64_t depth, std::int64_t q, std::int64_t unroll) {
    std::vector<std::int64_t> lengths;
    while (depth > 0) {
        std::int64_t length = depth;
        if (depth >= 2 * q)
            length = q;
        else if (depth > q)
            length = (depth / 2 + unroll - 1) / unroll * unroll;
        lengths.push_back(length);
        depth -= length;
    }
    return lengths;
}

/// Ways to cut k, besides not at all.
std::vector<ProductVariant> cuts(Accumulation model, std::int64_t depth) {
    std::vector<ProductVariant> all;
    std::set<std::pair<std::int64_t, std::int64_t>> seen;
    const auto cut = [&](std::int64_t parts, std::int64_t tile) {
        if (parts < 2 || tile < 1 || (parts - 1) * tile >= depth || !seen.insert({parts, tile}).second) return;
        ProductVariant v;
        v.model = model;
        v.parts = parts;
        v.tile = tile;
        all.push_back(v);
        if ((parts & (parts - 1)) != 0 || parts == 2) return;
        v.join = ProductVariant::Join::tree;
        all.push_back(v);
        v.join = ProductVariant::Join::pairs;
        all.push_back(v);
    };
    for (const std::int64_t parts : {2, 3, 4, 5, 6, 7, 8, 12, 16})
        for (const std::int64_t unit : {1, 8, 16, 32, 64}) {
            const std::int64_t each = (depth + parts - 1) / parts;
            cut(parts, (each + unit - 1) / unit * unit);
        }
    for (const std::int64_t length :
         {16, 32, 64, 96, 128, 192, 240, 256, 320, 336, 352, 384, 448, 512, 640, 768, 1024, 2048})
        if ((depth + length - 1) / length <= 64) cut((depth + length - 1) / length, length);
    std::set<std::vector<std::int64_t>> cut_by_blas;
    for (const std::int64_t q : {128, 192, 240, 256, 288, 320, 336, 352, 384, 448, 512, 640, 768, 1024})
        for (const std::int64_t unroll : {4, 8, 16}) {
            ProductVariant v;
            v.model = model;
            v.lengths = goto_lengths(depth, q, unroll);
            v.parts = static_cast<std::int64_t>(v.lengths.size());
            if (v.parts > 1 && cut_by_blas.insert(v.lengths).second) all.push_back(v);
        }
    const bool blocks = ops::takes_blocks(model);
    for (const std::int64_t parts : {2, 4, 8, 16, 32, 64})
        for (const std::int64_t tile : {1, 2, 4, 8, 16, 32, 64})
            if (!blocks || tile >= 8) cut(parts, tile);
    return all;
}

bool accumulates_narrowly(Accumulation model) { return ops::is_16bit(ops::accumulator_of(model)); }

class Search {
  public:
    Search(const ProductQuestion &question, ops::ThreadPool &threads) : q_(question), threads_(threads) {
        constexpr std::int64_t most = 128;
        const std::int64_t elements = q_.tested.shape.elements();
        std::vector<std::int64_t> probe = spread(elements, most);
        for (const std::int64_t i : spread(static_cast<std::int64_t>(q_.different.size()), most))
            probe.push_back(q_.different[static_cast<std::size_t>(i)]);
        std::sort(probe.begin(), probe.end());
        probe.erase(std::unique(probe.begin(), probe.end()), probe.end());
        inputs_ = inputs_of_elements(q_.inputs, probe);
        tested_ = elements_of(q_.tested, probe);
        std::vector<std::int64_t> first;
        for (const std::int64_t i : spread(static_cast<std::int64_t>(probe.size()), 4))
            first.push_back(probe[static_cast<std::size_t>(i)]);
        first_inputs_ = inputs_of_elements(q_.inputs, first);
        first_tested_ = elements_of(q_.tested, first);
        leavings_ = leavings(q_.tested.dtype);
    }

    std::optional<ProductMatch> run() {
        const auto models = models_for(q_.inputs.a.dtype);
        std::vector<ProductVariant> variants;
        const auto with_c_last = [&](ProductVariant v) {
            const bool fits =
                !q_.inputs.c || !accumulates_narrowly(v.model) || q_.inputs.c->dtype == ops::accumulator_of(v.model);
            if (fits) variants.push_back(v);
            if (!q_.inputs.c) return;
            v.c = ProductVariant::C::added_last;
            variants.push_back(v);
        };
        const auto with_c_last_and_separate_products = [&](ProductVariant v) {
            with_c_last(v);
            v.separate_products = true;
            if (separates(v.model)) with_c_last(v);
        };
        for (const Accumulation model : models) with_c_last_and_separate_products({.model = model});
        if (auto match = first_of(variants)) return match;
        variants.clear();
        for (const Accumulation model : models)
            if (model == q_.asked || !accumulates_narrowly(model))
                for (const ProductVariant &v : cuts(model, q_.inputs.depth())) with_c_last_and_separate_products(v);
        if (auto match = first_of(variants)) return match;
        variants.clear();
        for (const ProductVariant &v : rounded_variants(models)) with_c_last(v);
        if (auto match = first_of(variants)) return match;
        return std::nullopt;
    }

  private:
    [[nodiscard]] bool separates(Accumulation model) const {
        return model == Accumulation::fma_chain && q_.inputs.a.dtype == ops::DType::fp32;
    }

    /// One more rounding of operands or partial sums.
    [[nodiscard]] std::vector<ProductVariant> rounded_variants(const std::vector<Accumulation> &models) const {
        std::vector<ProductVariant> all;
        for (const FormatId format : {FormatId::tf32, FormatId::bf16, FormatId::fp16}) {
            const ops::DType own = q_.inputs.a.dtype;
            if (format == ops::format_id(own) || (format == FormatId::tf32 && own != ops::DType::fp32)) continue;
            const ops::DType stored = format == FormatId::tf32   ? ops::DType::fp32
                                      : format == FormatId::fp16 ? ops::DType::fp16
                                                                 : ops::DType::bf16;
            for (const Accumulation model : models_for(stored))
                for (const bool truncated : {false, true})
                    all.push_back({.model = model, .rounded_operands = format, .truncated_operands = truncated});
        }
        for (const FormatId format : {FormatId::fp16, FormatId::bf16})
            for (const Accumulation model : models) {
                if (model != q_.asked && accumulates_narrowly(model)) continue;
                if (q_.inputs.c) all.push_back({.model = model, .rounded_parts = format});
                for (ProductVariant v : cuts(model, q_.inputs.depth())) {
                    if (v.join != ProductVariant::Join::in_order) continue;
                    v.rounded_parts = format;
                    all.push_back(v);
                }
            }
        return all;
    }

    /// The first that gives all bits, those that round nothing more before those that do.
    std::optional<ProductMatch> first_of(const std::vector<ProductVariant> &variants) {
        struct Promising {
            std::size_t variant, leaving;
            Kind kind;
        };
        std::vector<Promising> promising;
        // Where the result is rounded once more, all orders agree in nearly all results, and none but the right one in
        // all: not every one is worth being looked at closely.
        constexpr int most_roundings = 24;
        int roundings = 0;
        for (std::size_t i = 0; i < variants.size(); ++i) {
            // Few elements turn most ways down; more have to agree before all are computed.
            const ops::HostTensor result = compute(variants[i], first_inputs_, one_thread_);
            std::optional<ops::HostTensor> more;
            for (std::size_t l = 0; l < leavings_.size(); ++l) {
                const bool rounds = !leavings_[l].plain();
                if (rounds && roundings == most_roundings) continue;
                if (!agrees(result, leavings_[l], first_tested_)) continue;
                if (rounds) ++roundings;
                if (!more) more = compute(variants[i], inputs_, one_thread_);
                if (agrees(*more, leavings_[l], tested_))
                    promising.push_back({i, l, kind_of(variants[i], leavings_[l])});
            }
        }
        std::stable_sort(promising.begin(), promising.end(),
                         [](const Promising &x, const Promising &y) { return x.kind < y.kind; });
        std::optional<ProductMatch> match;
        for (const Promising &candidate : promising) {
            const ProductVariant &variant = variants[candidate.variant];
            const Leaving &leaving = leavings_[candidate.leaving];
            if (match && (candidate.kind != Kind::model || match->kind != Kind::model)) break;
            if (!agrees(compute(variant, q_.inputs, threads_), leaving, q_.tested)) continue;
            const std::string name = variant.name(q_.inputs.depth()) + leaving.name();
            if (match)
                match->the_same.push_back(name);
            else
                match = ProductMatch{candidate.kind, variant, name, {}};
        }
        return match;
    }

    static bool agrees(const ops::HostTensor &result, const Leaving &leaving, ops::TensorView tested) {
        ops::HostTensor left = rounded_to(result, tested.dtype, leaving.through, leaving.truncated);
        return equal_bits(left.view(), tested);
    }
    static bool agrees(const ops::HostTensor &result, const Leaving &leaving, ops::HostTensor &tested) {
        return agrees(result, leaving, tested.view());
    }

    [[nodiscard]] Kind kind_of(const ProductVariant &v, const Leaving &leaving) const {
        const bool cuts_operands = q_.inputs.a.dtype == ops::DType::fp32 && ops::takes_blocks(v.model);
        const bool cutting_was_asked = ops::takes_blocks(q_.asked);
        if (!leaving.plain() || v.rounded_operands || v.rounded_parts ||
            (accumulates_narrowly(v.model) && !accumulates_narrowly(q_.asked)) || (cuts_operands && !cutting_was_asked))
            return Kind::extra_rounding;
        return v.parts == 1 && v.c == ProductVariant::C::starts && !v.separate_products ? Kind::model : Kind::order;
    }

    const ProductQuestion &q_;
    ops::ThreadPool &threads_;
    ops::ThreadPool one_thread_{1}; ///< a handful of elements is less work than waking threads
    ProductInputs inputs_, first_inputs_;
    ops::HostTensor tested_, first_tested_;
    std::vector<Leaving> leavings_;
};

} // namespace

std::vector<Accumulation> models_for(ops::DType operands) {
    std::vector<Accumulation> models;
    for (int i = 0; i <= static_cast<int>(Accumulation::cpu_avx512bf16); ++i)
        if (ops::refusal(static_cast<Accumulation>(i), operands, operands).empty())
            models.push_back(static_cast<Accumulation>(i));
    return models;
}

std::vector<std::int64_t> spread(std::int64_t elements, std::int64_t count) {
    std::vector<std::int64_t> chosen;
    for (std::int64_t i = 0; i < std::min(elements, count); ++i)
        chosen.push_back(elements <= count ? i : i * (elements - 1) / (count - 1));
    return chosen;
}

ops::HostTensor elements_of(const ops::TensorView &tensor, const std::vector<std::int64_t> &elements) {
    ops::HostTensor some(tensor.dtype, {static_cast<std::int64_t>(elements.size())});
    const std::size_t width = ops::size_of(tensor.dtype);
    for (std::size_t i = 0; i < elements.size(); ++i)
        std::memcpy(some.bytes.data() + i * width,
                    tensor.as<const std::byte>() + static_cast<std::size_t>(elements[i]) * width, width);
    return some;
}

std::vector<ProductLikeness> most_alike(const ProductQuestion &question, ops::ThreadPool &threads) {
    constexpr std::size_t probes = 64, most_orders = 4;
    const std::int64_t elements = question.tested.shape.elements();
    if (question.tested.dtype != ops::DType::fp32 || elements < static_cast<std::int64_t>(probes) ||
        question.inputs.depth() == 0)
        return {};
    std::vector<ProductVariant> variants;
    for (const Accumulation model : std::set<Accumulation>{Accumulation::fma_chain, question.asked}) {
        variants.push_back({.model = model});
        for (ProductVariant &variant : cuts(model, question.inputs.depth())) {
            variants.push_back(variant);
            if (model != Accumulation::fma_chain || variant.join != ProductVariant::Join::in_order) continue;
            for (const std::int64_t lanes : {2, 4, 8}) { // a narrower loop at the edge of a blocked product
                variants.push_back(variant);
                variants.back().lanes = lanes;
            }
        }
    }
    if (question.inputs.a.dtype == ops::DType::fp32)
        for (std::size_t i = 0, count = variants.size(); i < count; ++i)
            if (variants[i].model == Accumulation::fma_chain) {
                variants.push_back(variants[i]);
                variants.back().separate_products = true;
            }
    if (question.inputs.c)
        for (std::size_t i = 0, count = variants.size(); i < count; ++i) {
            variants.push_back(variants[i]);
            variants.back().c = ProductVariant::C::added_last;
        }

    std::vector<std::int64_t> open(static_cast<std::size_t>(elements));
    std::iota(open.begin(), open.end(), std::int64_t{0});
    std::vector<ProductLikeness> found;
    ops::ThreadPool one_thread(1);
    while (!open.empty() && found.size() < most_orders) {
        // Scattered by a multiplicative hash: kernels treat the edges of tiles differently, and tiles are regular.
        std::vector<std::int64_t> probe;
        for (std::size_t i = 0; i < std::min(probes, open.size()); ++i)
            probe.push_back(open[(i + 1) * 0x9E3779B97F4A7C15u % open.size()]);
        const ProductInputs inputs = inputs_of_elements(question.inputs, probe);
        const ops::HostTensor tested = elements_of(question.tested, probe);
        const auto wanted = tested.as<std::uint32_t>();
        std::size_t best_equal = 0;
        const ProductVariant *best = nullptr;
        for (const ProductVariant &variant : variants) {
            const ops::HostTensor result = compute(variant, inputs, one_thread);
            const auto some = result.as<std::uint32_t>();
            std::size_t equal = 0;
            for (std::size_t i = 0; i < some.size(); ++i) equal += some[i] == wanted[i];
            if (equal <= best_equal) continue;
            best_equal = equal;
            best = &variant;
        }
        if (2 * best_equal < probe.size()) break;
        const ops::HostTensor result = compute(*best, question.inputs, threads);
        const auto bits = result.as<std::uint32_t>();
        const std::size_t before = open.size();
        std::erase_if(open, [&](std::int64_t i) {
            const auto at = static_cast<std::size_t>(i);
            return bits[at] == question.tested.as<const std::uint32_t>()[at];
        });
        found.push_back({best->name(question.inputs.depth()), static_cast<std::int64_t>(before - open.size())});
    }
    return found;
}

std::optional<ProductMatch> identify(const ProductQuestion &question, ops::ThreadPool &threads) {
    if (question.tested.shape.elements() == 0 || question.inputs.depth() == 0) return std::nullopt;
    return Search(question, threads).run();
}

} // namespace halfscope::kernels::judge
