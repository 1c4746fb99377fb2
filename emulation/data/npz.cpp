#include "emulation/data/npz.h"

#include "emulation/data/file_bytes.h"
#include "emulation/data/npy.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <stdexcept>

namespace halfscope::data {
namespace {

constexpr std::uint32_t local_signature = 0x04034b50, central_signature = 0x02014b50, end_signature = 0x06054b50,
                        end64_signature = 0x06064b50, locator64_signature = 0x07064b50;
constexpr std::size_t local_size = 30, central_size = 46, end_size = 22, locator64_size = 20;
constexpr std::uint16_t stored = 0, deflated = 8;

struct Member {
    std::string name;
    std::uint16_t flags = 0, method = 0;
    std::uint32_t crc = 0;
    std::uint64_t packed = 0, unpacked = 0, offset = 0;
};

/// Little-endian fields of the archive, every access checked.
class Archive {
  public:
    Archive(std::span<const std::byte> bytes, const std::string &where) : bytes_(bytes), where_(where) {}

    [[noreturn]] void damaged(const std::string &reason) const {
        throw std::runtime_error(fmt::format("{}: not a readable .npz archive ({})", where_, reason));
    }
    [[nodiscard]] std::span<const std::byte> part(std::uint64_t offset, std::uint64_t size) const {
        if (offset > bytes_.size() || size > bytes_.size() - offset) damaged("it is cut short or damaged");
        return bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
    }
    template <typename T> [[nodiscard]] T field(std::uint64_t offset) const {
        T value;
        std::memcpy(&value, part(offset, sizeof(T)).data(), sizeof(T));
        return value;
    }
    [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
    [[nodiscard]] const std::string &where() const { return where_; }

  private:
    std::span<const std::byte> bytes_;
    const std::string &where_;
};

struct Directory {
    std::uint64_t offset = 0, entries = 0;
};

Directory find_directory(const Archive &archive) {
    if (archive.size() < end_size) archive.damaged("it is too short to be a zip file");
    // The end record is followed by a comment of at most 65535 bytes.
    const std::uint64_t last = archive.size() - end_size;
    const std::uint64_t stop = last > 65535 ? last - 65535 : 0;
    for (std::uint64_t at = last + 1; at-- > stop;) {
        if (archive.field<std::uint32_t>(at) != end_signature) continue;
        Directory directory{archive.field<std::uint32_t>(at + 16), archive.field<std::uint16_t>(at + 10)};
        const bool zip64 = directory.offset == 0xffffffff || directory.entries == 0xffff;
        if (zip64 && at >= locator64_size && archive.field<std::uint32_t>(at - locator64_size) == locator64_signature) {
            const auto end64 = archive.field<std::uint64_t>(at - locator64_size + 8);
            if (archive.field<std::uint32_t>(end64) != end64_signature) archive.damaged("its zip64 record is missing");
            directory.entries = archive.field<std::uint64_t>(end64 + 32);
            directory.offset = archive.field<std::uint64_t>(end64 + 48);
        }
        return directory;
    }
    archive.damaged("it has no zip directory: not a zip file, or cut short");
}

/// The zip64 extra field (id 1) holds, in this order, just those of (unpacked, packed, offset) that are all ones in
/// the directory entry.
void apply_zip64(const Archive &archive, std::uint64_t extra, std::uint64_t length, Member &member) {
    for (const std::uint64_t end = extra + length; extra + 4 <= end;) {
        const auto id = archive.field<std::uint16_t>(extra);
        const auto size = archive.field<std::uint16_t>(extra + 2);
        if (id == 1) {
            std::uint64_t at = extra + 4;
            for (std::uint64_t *value : {&member.unpacked, &member.packed, &member.offset})
                if (*value == 0xffffffff && at + 8 <= extra + 4 + size)
                    *value = archive.field<std::uint64_t>(at), at += 8;
        }
        extra += 4u + size;
    }
}

std::vector<Member> list(const Archive &archive) {
    const Directory directory = find_directory(archive);
    std::vector<Member> members;
    std::uint64_t at = directory.offset;
    for (std::uint64_t entry = 0; entry < directory.entries; ++entry) {
        if (archive.field<std::uint32_t>(at) != central_signature) archive.damaged("its zip directory is damaged");
        Member member;
        member.flags = archive.field<std::uint16_t>(at + 8);
        member.method = archive.field<std::uint16_t>(at + 10);
        member.crc = archive.field<std::uint32_t>(at + 16);
        member.packed = archive.field<std::uint32_t>(at + 20);
        member.unpacked = archive.field<std::uint32_t>(at + 24);
        const std::uint64_t name_length = archive.field<std::uint16_t>(at + 28);
        const std::uint64_t extra_length = archive.field<std::uint16_t>(at + 30);
        const std::uint64_t comment_length = archive.field<std::uint16_t>(at + 32);
        member.offset = archive.field<std::uint32_t>(at + 42);
        const auto name = archive.part(at + central_size, name_length);
        member.name.assign(reinterpret_cast<const char *>(name.data()), name.size());
        apply_zip64(archive, at + central_size + name_length, extra_length, member);
        at += central_size + name_length + extra_length + comment_length;
        members.push_back(std::move(member));
    }
    return members;
}

std::vector<std::byte> inflate_raw(std::span<const std::byte> packed, std::uint64_t unpacked,
                                   const std::string &where) {
    const auto fail = [&](const char *reason) {
        throw std::runtime_error(fmt::format("{}: damaged deflate data ({})", where, reason));
    };
    // Deflate cannot expand more than 1032 times; a larger claim is damage, and must not become a huge allocation.
    if (unpacked > (packed.size() + 64) * 1032) fail("impossible size");
    std::vector<std::byte> out(static_cast<std::size_t>(unpacked));
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail("out of memory");
    constexpr std::size_t most = std::numeric_limits<unsigned>::max() / 2;
    std::size_t read = 0, written = 0;
    int status = Z_OK;
    while (status == Z_OK) {
        const std::size_t in = std::min(most, packed.size() - read), room = std::min(most, out.size() - written);
        // zlib takes a non-const pointer but does not write through it.
        stream.next_in = const_cast<Bytef *>(reinterpret_cast<const Bytef *>(packed.data() + read));
        stream.avail_in = static_cast<unsigned>(in);
        Bytef spare = 0;
        stream.next_out = room ? reinterpret_cast<Bytef *>(out.data() + written) : &spare;
        stream.avail_out = static_cast<unsigned>(room);
        status = inflate(&stream, Z_NO_FLUSH);
        read += in - stream.avail_in;
        written += room - stream.avail_out;
        if (status == Z_OK && in == stream.avail_in && room == stream.avail_out) break;
    }
    inflateEnd(&stream);
    if (status != Z_STREAM_END || written != out.size()) fail("it does not match its stated size");
    return out;
}

std::vector<std::byte> extract(const Archive &archive, const Member &member) {
    const std::string where = fmt::format("{}: member '{}'", archive.where(), member.name);
    if (member.flags & 1) throw std::runtime_error(where + ": encrypted archives are not supported");
    if (archive.field<std::uint32_t>(member.offset) != local_signature)
        archive.damaged("a member is not where it should be");
    const std::uint64_t start = member.offset + local_size + archive.field<std::uint16_t>(member.offset + 26) +
                                archive.field<std::uint16_t>(member.offset + 28);
    const auto packed = archive.part(start, member.packed);
    std::vector<std::byte> bytes;
    if (member.method == stored)
        bytes.assign(packed.begin(), packed.end());
    else if (member.method == deflated)
        bytes = inflate_raw(packed, member.unpacked, where);
    else
        throw std::runtime_error(fmt::format("{}: zip compression method {} is not supported (stored and deflate are)",
                                             where, member.method));
    const auto crc = crc32_z(crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef *>(bytes.data()), bytes.size());
    if (crc != member.crc) throw std::runtime_error(where + ": its checksum does not match, the file is damaged");
    return bytes;
}

void append(std::vector<std::byte> &out, std::uint64_t value, int width) {
    for (int i = 0; i < width; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
}
void append(std::vector<std::byte> &out, const std::string &text) {
    for (char c : text) out.push_back(static_cast<std::byte>(c));
}

} // namespace

std::map<std::string, Array> parse_npz(std::span<const std::byte> bytes, const std::string &where) {
    const Archive archive(bytes, where);
    std::map<std::string, Array> arrays;
    for (const Member &member : list(archive)) {
        if (!member.name.ends_with(".npy")) continue;
        const std::string name = member.name.substr(0, member.name.size() - 4);
        arrays[name] = parse_npy(extract(archive, member), fmt::format("{}: array '{}'", where, name));
    }
    if (arrays.empty()) archive.damaged("it holds no .npy arrays");
    return arrays;
}

std::map<std::string, Array> read_npz(const std::filesystem::path &file) {
    return parse_npz(read_file(file), file.string());
}

void write_npz(const std::filesystem::path &file, std::span<const std::pair<std::string, ops::TensorView>> tensors) {
    std::vector<std::byte> out, directory;
    for (const auto &[name, tensor] : tensors) {
        const std::vector<std::byte> image = npy_image(tensor);
        if (image.size() + out.size() > 0xfffffff0)
            throw std::runtime_error(fmt::format("cannot write {}: more than 4 GiB", file.string()));
        const auto crc = crc32_z(crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef *>(image.data()), image.size());
        const std::string member = name + ".npy";
        // version 2.0, no flags, stored, DOS time 0 and date 1980-01-01, crc, sizes, name length, no extra field
        std::vector<std::byte> fields;
        append(fields, 20, 2), append(fields, 0, 2), append(fields, stored, 2), append(fields, 0, 2);
        append(fields, 0x21, 2), append(fields, crc, 4), append(fields, image.size(), 4),
            append(fields, image.size(), 4);
        append(fields, member.size(), 2), append(fields, 0, 2);
        append(directory, central_signature, 4), append(directory, 20, 2);
        directory.insert(directory.end(), fields.begin(), fields.end());
        append(directory, 0, 2), append(directory, 0, 2), append(directory, 0, 2), append(directory, 0, 4);
        append(directory, out.size(), 4), append(directory, member);
        append(out, local_signature, 4);
        out.insert(out.end(), fields.begin(), fields.end());
        append(out, member);
        out.insert(out.end(), image.begin(), image.end());
    }
    const std::size_t start = out.size();
    out.insert(out.end(), directory.begin(), directory.end());
    append(out, end_signature, 4), append(out, 0, 4), append(out, tensors.size(), 2), append(out, tensors.size(), 2);
    append(out, directory.size(), 4), append(out, start, 4), append(out, 0, 2);
    write_file(file, out);
}

} // namespace halfscope::data
