// Curves of other programs: tables, event files, and what is wrong with them in one sentence.
#include "trace/io/curve_file.h"
#include "trace/io/event_file.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

using namespace halfscope::trace;

namespace {

std::string complaint(const std::string &table) {
    try {
        (void)parse_table(table, "run.csv");
    } catch (const std::runtime_error &error) {
        return error.what();
    }
    return "none";
}

} // namespace

TEST_CASE("CRC-32C: the vectors of RFC 3720, B.4, and the usual check string") {
    CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);
    CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
    std::string rising;
    for (char i = 0; i < 32; ++i) rising += i;
    CHECK(crc32c(rising) == 0x46dd794e);
    CHECK(crc32c("123456789") == 0xe3069283);
}

TEST_CASE("an event file reads back; a cut tail is left out; a changed byte is refused") {
    const std::vector<Scalar> scalars{
        {0, "training/loss", 1.5}, {300, "training/loss", 0.25}, {300, "held_out/loss", 2}};
    const std::string bytes = event_file(scalars, 1.7e9);
    const auto back = parse_event_file(bytes, "x");
    REQUIRE(back.size() == 3);
    CHECK(back[1].step == 300);
    CHECK(back[1].tag == "training/loss");
    CHECK(back[1].value == 0.25);
    CHECK(parse_event_file(std::string_view(bytes).substr(0, bytes.size() - 5), "x").size() == 2);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
        CAPTURE(at);
        CHECK_THROWS_AS((void)parse_event_file(damaged, "x"), std::runtime_error);
    }
    CHECK_THROWS_WITH((void)parse_event_file("step,loss\n1,2\n3,4\n", "x"), "x: it is not a TensorBoard event file");
}

TEST_CASE("an event file byte for byte, built from the formats' descriptions") {
    // Event {1: wall_time 0.0, 3: "brain.Event:2"}
    const std::string first("\x09\0\0\0\0\0\0\0\0\x1a\x0d"
                            "brain.Event:2",
                            24);
    // Event {1: 0.0, 2: step 300, 5: Summary {1: Value {1: "a", 2: 1.0f}}}
    const std::string second("\x09\0\0\0\0\0\0\0\0\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01"
                             "a\x15\0\0\x80\x3f",
                             24);
    const auto framed = [](const std::string &message) {
        const auto masked = [](std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; };
        std::string length(8, '\0');
        length[0] = static_cast<char>(message.size());
        const std::uint32_t a = masked(crc32c(length)), b = masked(crc32c(message));
        std::string out = length;
        out.append(reinterpret_cast<const char *>(&a), 4).append(message);
        return out.append(reinterpret_cast<const char *>(&b), 4);
    };
    CHECK(event_file(std::vector<Scalar>{{300, "a", 1}}, 0) == framed(first) + framed(second));
}

TEST_CASE("tables: separators, quotes, empty cells, names of every kind") {
    const auto curves = parse_table("\xef\xbb\xbf\"Epoch\";Global_Step;train loss;loss_scale;val_loss;val acc\r\n"
                                    "0;0;2.5;65536;;\r\n0;10;\"1.25\";65536;3e-1;0.5\r\n0;20;nan;65536;;\r\n",
                                    "run.csv");
    REQUIRE(curves.size() == 3);
    CHECK(curves[0].column == "train loss");
    CHECK(curves[0].quantity == Quantity::training_loss);
    CHECK(curves[0].steps == std::vector<std::int64_t>{0, 10, 20});
    CHECK(curves[0].values[1] == 1.25);
    CHECK(std::isnan(curves[0].values[2]));
    CHECK(curves[1].quantity == Quantity::held_out_loss);
    CHECK(curves[1].steps == std::vector<std::int64_t>{10});
    CHECK(curves[2].quantity == Quantity::held_out_accuracy);
    // As TensorBoard downloads a curve.
    const auto downloaded = parse_table("Wall time,Step,Value\n1700000000.5,1,0.75\n1700000001.5,2,0.5\n", "run.csv");
    REQUIRE(downloaded.size() == 1);
    CHECK(downloaded[0].values == std::vector<double>{0.75, 0.5});
}

TEST_CASE("tables that say nothing are refused in one sentence") {
    CHECK(complaint("epoch,loss\n1,2\n") ==
          "run.csv: it has no step column (step, global_step, iteration or iter); its "
          "columns are epoch, loss");
    CHECK(complaint("step,lr\n1,2\n").find("it has no loss") != std::string::npos);
    CHECK(complaint("step,loss\n").find("it has no loss") != std::string::npos);
    CHECK(complaint("step,loss\n1,high\n") == "run.csv: line 2: 'high' in column 'loss' is not a number");
    CHECK(complaint("step,loss\n2,1\n1,1\n").find("do not rise (1 after 2)") != std::string::npos);
    CHECK(complaint("step,loss\n1.5,1\n").find("is not a whole number") != std::string::npos);
    CHECK(complaint("") == "run.csv: it is empty");
    CHECK_THROWS_WITH((void)read_curves("/nowhere/run.csv"), "/nowhere/run.csv: no such file");
}
