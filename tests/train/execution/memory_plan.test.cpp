#include "emulation/train/execution/memory_plan.h"
#include "emulation/model/autodiff/differentiate.h"
#include "emulation/model/loss_attachment.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/lowering/lower.h"

#include <doctest/doctest.h>

#include <vector>

using namespace halfscope;
using namespace halfscope::train;

TEST_CASE("values that live at the same time never share memory") {
    for (const char *spec : {"cnn:size=8", "gpt:layers=2,width=16,heads=2,seq=8,vocab=16", "resnet20:size=8"})
        for (const char *recipe : {"fp32", "fp16-amp", "bf16-pure"}) {
            CAPTURE(spec);
            model::Graph forward = model::build_zoo_model(spec, 2);
            model::attach_loss(forward, model::default_loss(forward).loss);
            model::Graph graph = lower(forward, recipe_named(recipe));
            model::differentiate(graph);
            const MemoryPlan plan = plan_memory(graph, graph.weight_gradients);

            // Replay: an owner per byte of the arena, in 64-byte cells; a value read must still be its own.
            std::vector<model::ValueId> owner(plan.arena_bytes / 64, model::none);
            const auto cells = [&](model::ValueId id) {
                const model::Value &value = graph.value(id);
                return (static_cast<std::size_t>(value.shape.elements()) * ops::size_of(value.dtype) + 63) / 64;
            };
            const auto place = [&](model::ValueId id) { return plan.places[static_cast<std::size_t>(id)]; };
            std::size_t all_bytes = 0;
            for (model::NodeId id : plan.nodes) {
                const model::Node &node = graph.node(id);
                for (model::ValueId output : node.outputs) {
                    if (place(output).own) continue;
                    REQUIRE(place(output).root == output);
                    const std::size_t first = place(output).offset / 64;
                    REQUIRE((first + cells(output)) * 64 <= plan.arena_bytes);
                    for (std::size_t cell = 0; cell < cells(output); ++cell) owner[first + cell] = output;
                    all_bytes += cells(output) * 64;
                }
                for (model::ValueId input : node.inputs) {
                    const model::ValueId root = place(input).root;
                    if (place(root).own) continue;
                    for (std::size_t cell = 0; cell < cells(root); ++cell)
                        REQUIRE(owner[place(root).offset / 64 + cell] == root);
                }
            }
            CHECK(plan.arena_bytes < all_bytes / 2); // and memory is really shared
        }
}
