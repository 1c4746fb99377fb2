#include "emulation/data/npz.h"
#include "emulation/data/file_bytes.h"
#include "emulation/data/npy.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

using namespace halfscope;
using namespace halfscope::data;

namespace {

const std::filesystem::path here = std::filesystem::path(HALFSCOPE_TEST_FOLDER);

/// Written by generate.py with NumPy itself.
void check_golden(const std::map<std::string, Array> &arrays) {
    for (const char *name :
         {"c_i1", "c_i2", "c_i4", "c_i8", "c_u1", "c_u2", "c_u4", "c_f2", "c_f4", "c_f8", "c_bef4", "c_bei2"}) {
        CAPTURE(name);
        const Array &array = arrays.at(name);
        CHECK(array.shape == std::vector<std::int64_t>{3, 4});
        for (std::int64_t i = 0; i < 12; ++i) {
            CHECK(array.number_at(i) == static_cast<double>(i));
            CHECK(array.integer_at(i) == i);
        }
    }
    for (std::int64_t i = 0; i < 12; ++i) CHECK(arrays.at("c_b1").integer_at(i) == i % 2);
    CHECK(arrays.at("fortran").shape == std::vector<std::int64_t>{2, 3, 2});
    for (std::int64_t i = 0; i < 12; ++i) CHECK(arrays.at("fortran").number_at(i) == 0.5 * static_cast<double>(i));
    CHECK(arrays.at("scalar").shape.empty());
    CHECK(arrays.at("scalar").number_at(0) == -2.25);
    CHECK(arrays.at("empty").elements() == 0);
    CHECK(arrays.at("negative").integer_at(1) == -128);
    const Array &half = arrays.at("half");
    CHECK(half.number_at(0) == 65504.0);
    CHECK(half.number_at(1) == std::ldexp(1.0, -24));
    CHECK(std::signbit(half.number_at(2)));
    CHECK(std::isinf(half.number_at(3)));
    CHECK(std::isnan(half.number_at(4)));
}

} // namespace

TEST_CASE("arrays NumPy wrote are read, stored and deflated") {
    check_golden(read_npz(here / "golden_stored.npz"));
    const auto deflated = read_npz(here / "golden_deflated.npz");
    check_golden(deflated);
    for (std::int64_t i = 0; i < 5000; ++i) REQUIRE(deflated.at("long").integer_at(i) == i);
    CHECK(read_npy(here / "version2.npy").number_at(5) == 5);
    CHECK(read_npy(here / "version3.npy").shape == std::vector<std::int64_t>{3, 2});
}

TEST_CASE("any prefix and any flipped byte of an archive gives one sentence or the same arrays, never more") {
    for (const char *file : {"golden_stored.npz", "golden_deflated.npz"}) {
        const auto whole = read_file(here / file);
        for (std::size_t length = 0; length < whole.size(); length += length < 400 ? 1 : 7) {
            const std::vector<std::byte> prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
            CHECK_THROWS_AS((void)parse_npz(prefix, "f.npz"), std::runtime_error);
        }
        int read = 0, refused = 0;
        for (std::size_t at = 0; at < whole.size(); ++at) {
            auto damaged = whole;
            damaged[at] ^= std::byte{static_cast<unsigned char>(1u << (at % 8))};
            try {
                (void)parse_npz(damaged, "f.npz");
                ++read; // a time stamp, a name, an unused field
            } catch (const std::runtime_error &error) {
                ++refused;
                CHECK(std::string_view(error.what()).find('\n') == std::string_view::npos);
            }
        }
        CAPTURE(file);
        CAPTURE(read);
        CHECK(refused > read); // the payload is covered by the checksum
    }
}

TEST_CASE("what the .npy header may not say") {
    const auto image = [](std::string header) {
        std::string text("\x93NUMPY\x01\x00", 8);
        text += static_cast<char>(header.size());
        text += '\0';
        text += header;
        std::vector<std::byte> bytes(text.size());
        std::memcpy(bytes.data(), text.data(), text.size());
        return bytes;
    };
    const auto reason = [&](const std::string &header) -> std::string {
        try {
            (void)parse_npy(image(header), "x.npy");
        } catch (const std::runtime_error &error) {
            return error.what();
        }
        return "accepted";
    };
    CHECK(reason("{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }") == "accepted");
    CHECK(reason("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }").find("announces 4") != std::string::npos);
    CHECK(reason("{'descr': '<c8', 'fortran_order': False, 'shape': (0,), }").find("'<c8'") != std::string::npos);
    CHECK(reason("{'descr': '|O', 'fortran_order': False, 'shape': (0,), }").find("float32") != std::string::npos);
    CHECK(reason("{'descr': '<f4', 'shape': (0,), }").find("missing") != std::string::npos);
    CHECK(reason("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }").find("large") !=
          std::string::npos);
    CHECK(reason("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999, 9), }").find("absurd") !=
          std::string::npos);
    CHECK(reason("{'descr': '<f4").find("does not end") != std::string::npos);
    CHECK(reason("").find("ends early") != std::string::npos);
}

TEST_CASE("tensors written are read back bit for bit; bf16 becomes the same values in f4") {
    ops::HostTensor half(ops::DType::fp16, {2, 3}), brain(ops::DType::bf16, {2}), scalar(ops::DType::fp64, {}),
        flags(ops::DType::boolean, {3});
    for (std::size_t i = 0; i < 6; ++i) half.as<std::uint16_t>()[i] = static_cast<std::uint16_t>(0x3c00 + i);
    brain.as<std::uint16_t>()[0] = 0x3f80;
    brain.as<std::uint16_t>()[1] = 0xff80;
    scalar.as<double>()[0] = -0.125;
    flags.as<std::uint8_t>()[1] = 1;
    const auto directory = std::filesystem::temp_directory_path() / "halfscope_npz_test";
    std::filesystem::create_directories(directory);
    const auto file = directory / "written.npz";
    const std::pair<std::string, ops::TensorView> tensors[] = {
        {"half", half.view()}, {"brain", brain.view()}, {"scalar", scalar.view()}, {"flags", flags.view()}};
    write_npz(file, tensors);
    const auto arrays = read_npz(file);
    CHECK(arrays.at("half").type == ElementType::f16);
    CHECK(arrays.at("half").bytes == half.bytes);
    CHECK(arrays.at("brain").number_at(0) == 1.0);
    CHECK(arrays.at("brain").number_at(1) == -std::numeric_limits<double>::infinity());
    CHECK(arrays.at("scalar").shape.empty());
    CHECK(arrays.at("scalar").number_at(0) == -0.125);
    CHECK(arrays.at("flags").type == ElementType::boolean);
    CHECK(arrays.at("flags").integer_at(1) == 1);
    std::filesystem::remove_all(directory);
    CHECK_THROWS_WITH_AS(write_npy("/nonexistent/x.npy", half.view()),
                         doctest::Contains("cannot write /nonexistent/x.npy"), std::runtime_error);
}
