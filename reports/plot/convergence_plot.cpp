#include "reports/plot/convergence_plot.h"

#include "analysis/convergence/band.h"
#include "reports/plot/gnuplot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <vector>

namespace halfscope::reports {
namespace {

namespace fs = std::filesystem;
using analysis::Band;
using analysis::Convergence;

struct Look {
    const char *colour, *dashes;
};
/// Okabe and Ito, Color Universal Design (2008); fp32 comes first.
constexpr std::array<Look, 7> looks{{{"#000000", "1"},
                                     {"#D55E00", "(12,4)"},
                                     {"#0072B2", "(3,3)"},
                                     {"#009E73", "(12,3,3,3)"},
                                     {"#CC79A7", "(18,3,3,3,3,3)"},
                                     {"#E69F00", "(6,6)"},
                                     {"#56B4E9", "(2,6)"}}};
constexpr double panel_width = 4.3, panel_height = 3.4; // inches
constexpr int pixels_per_inch = 72, sharp_pixels_per_inch = 130;
/// How far above fp32's highest value an axis may reach.
constexpr double linear_headroom = 1.5, log_headroom = 100;

struct Panel {
    std::string title;
    std::optional<trace::Quantity> quantity; ///< none: differences to fp32
    std::vector<Band> bands;                 ///< recipe by recipe
};

std::vector<Panel> panels_of(const Convergence &whole) {
    const std::size_t window = analysis::smoothing_window(static_cast<std::size_t>(whole.steps));
    std::vector<Panel> panels{{window > 1 ? fmt::format("training loss (mean of {} steps)", window) : "training loss",
                               trace::Quantity::training_loss,
                               {}},
                              {"held-out loss", trace::Quantity::held_out_loss, {}},
                              {"held-out accuracy", trace::Quantity::held_out_accuracy, {}},
                              {"held-out loss minus fp32's of the same seed", std::nullopt, {}}};
    for (const auto &recipe : whole.recipes) {
        const auto runs = whole.runs_of(recipe.name);
        panels[0].bands.push_back(analysis::training_band(runs, window));
        panels[1].bands.push_back(analysis::evaluation_band(runs, "loss"));
        panels[2].bands.push_back(analysis::evaluation_band(runs, "accuracy"));
        panels[3].bands.push_back(analysis::difference_band(runs, whole.runs_of(analysis::reference_recipe), "loss"));
    }
    std::erase_if(panels, [](const Panel &panel) {
        return std::all_of(panel.bands.begin(), panel.bands.end(), [](const Band &b) { return b.steps.empty(); });
    });
    return panels;
}

/// At most twice as wide as the differences of the second half: those of the first steps may be far larger.
std::string difference_range(const Panel &panel) {
    std::int64_t last = 0;
    for (const Band &band : panel.bands)
        if (!band.steps.empty()) last = std::max(last, band.steps.back());
    double late = 0, lowest = 0, highest = 0;
    for (const Band &band : panel.bands)
        for (std::size_t i = 0; i < band.steps.size(); ++i) {
            lowest = std::min(lowest, band.low[i]);
            highest = std::max(highest, band.high[i]);
            if (2 * band.steps[i] > last) late = std::max({late, std::abs(band.low[i]), std::abs(band.high[i])});
        }
    if (late == 0) return "";
    const double low = std::max(lowest, -2 * late), high = std::min(highest, 2 * late), margin = 0.06 * (high - low);
    return fmt::format("set yrange [{:.9g}:{:.9g}]\n", low - margin, high + margin);
}

/// Ticks at 1, 2 and 5 of every decade.
std::string logarithmic_ticks(double low, double high) {
    std::vector<std::string> ticks;
    for (double decade = std::pow(10, std::floor(std::log10(low))); decade <= high; decade *= 10)
        for (const int digit : {1, 2, 5})
            if (const double tick = digit * decade; tick >= low && tick <= high)
                ticks.push_back(fmt::format("{:.3g}", tick));
    return ticks.size() > 12 ? "" : fmt::format("set ytics ({})\n", fmt::join(ticks, ", "));
}

/// The commands that set the vertical axis: logarithmic or not, its ticks and its ends.
std::string axis_of(const Panel &panel) {
    const Band &fp32 = panel.bands.front();
    std::string axis = "unset logscale y\nset autoscale y\nset ytics autofreq\n";
    if (!panel.quantity) return axis + difference_range(panel);
    if (fp32.steps.empty() || !panel.quantity || panel.quantity == trace::Quantity::held_out_accuracy) return axis;
    const double most = *std::max_element(fp32.high.begin(), fp32.high.end());
    const double least = *std::min_element(fp32.low.begin(), fp32.low.end());
    double lowest = least, highest = most;
    for (const Band &band : panel.bands)
        for (std::size_t i = 0; i < band.steps.size(); ++i) {
            lowest = std::min(lowest, band.low[i]);
            highest = std::max(highest, band.high[i]);
        }
    const bool log = lowest > 0 && most > 10 * least;
    const double top = log ? most * log_headroom : most + (linear_headroom - 1) * std::abs(most);
    if (log) {
        const double low = 0.85 * lowest, high = std::min(1.15 * highest, top);
        return axis + fmt::format("set logscale y\nset yrange [{:.9g}:{:.9g}]\n", low, high) +
               logarithmic_ticks(low, high);
    }
    if (highest > top) axis += fmt::format("set yrange [*:{:.9g}]\n", top);
    return axis;
}

std::string data_of(const std::vector<Panel> &panels, std::span<const analysis::OtherRun> others) {
    std::string data;
    for (std::size_t p = 0; p < panels.size(); ++p)
        for (std::size_t r = 0; r < panels[p].bands.size(); ++r) {
            const Band &band = panels[p].bands[r];
            data += fmt::format("$p{}r{} << END\n", p, r);
            for (std::size_t i = 0; i < band.steps.size(); ++i)
                fmt::format_to(std::back_inserter(data), "{} {:.9g} {:.9g} {:.9g}\n", band.steps[i], band.mean[i],
                               band.low[i], band.high[i]);
            data += "END\n";
        }
    for (std::size_t o = 0; o < others.size(); ++o) {
        data += fmt::format("$other{} << END\n", o);
        const trace::Curve &curve = others[o].curve;
        for (std::size_t i = 0; i < curve.steps.size(); ++i)
            if (std::isfinite(curve.values[i]))
                fmt::format_to(std::back_inserter(data), "{} {:.9g}\n", curve.steps[i], curve.values[i]);
        data += "END\n";
    }
    return data;
}

std::string terminal_for(const fs::path &file, double width, double height) {
    const std::string extension = file.extension().string();
    if (extension == ".pdf")
        return fmt::format("set terminal pdfcairo noenhanced size {:.2f}in,{:.2f}in font 'Sans,9' background '#ffffff'",
                           width, height);
    const bool svg = extension == ".svg";
    const int scale = svg ? pixels_per_inch : sharp_pixels_per_inch;
    return fmt::format("set terminal {} noenhanced size {},{} font 'Sans,{}' background '#ffffff'",
                       svg ? "svg dynamic" : "pngcairo", std::lround(width * scale), std::lround(height * scale),
                       svg ? 9 : 11);
}

std::string plot_of(const Panel &panel, std::size_t p, const Convergence &whole,
                    std::span<const analysis::OtherRun> others, double line) {
    std::vector<std::string> parts;
    for (std::size_t r = 0; r < panel.bands.size(); ++r)
        if (!panel.bands[r].steps.empty())
            parts.push_back(fmt::format("$p{}r{} using 1:3:4 with filledcurves lc rgb '{}' fillstyle transparent solid "
                                        "0.13 noborder notitle",
                                        p, r, looks[r % looks.size()].colour));
    for (std::size_t r = 0; r < panel.bands.size(); ++r)
        if (!panel.bands[r].steps.empty())
            // fp32 lies wide beneath, so that it is seen between the dashes of a recipe that equals it.
            parts.push_back(fmt::format("$p{}r{} using 1:2 with lines lc rgb '{}' lw {} dt {} title {}", p, r,
                                        looks[r % looks.size()].colour, r == 0 ? 2.6 * line : 1.7 * line,
                                        looks[r % looks.size()].dashes, gnuplot_quoted(whole.recipes[r].name)));
    for (std::size_t o = 0; o < others.size(); ++o) {
        const trace::Curve &curve = others[o].curve;
        const bool drawable =
            std::any_of(curve.values.begin(), curve.values.end(), [](double value) { return std::isfinite(value); });
        if (curve.quantity == panel.quantity && drawable)
            parts.push_back(fmt::format("$other{} using 1:2 with linespoints lc rgb '#666666' lw {} pt {} ps 0.6 pi {} "
                                        "title {}",
                                        o, line, 6 + o % 8, std::max<std::size_t>(1, curve.steps.size() / 20),
                                        gnuplot_quoted(fs::path(curve.file).filename().string())));
    }
    return fmt::format("plot {}\n", fmt::join(parts, ", \\\n     "));
}

} // namespace

void check_plot(const fs::path &file, const std::string &flag) {
    const std::string extension = file.extension().string();
    if (extension != ".svg" && extension != ".png" && extension != ".pdf")
        throw std::invalid_argument(
            fmt::format("{} {}: pictures are drawn as .svg, .png or .pdf; give a file name that ends in one of these",
                        flag, file.string()));
    if (!gnuplot_installed())
        throw std::runtime_error(fmt::format(
            "{} {}: gnuplot draws the picture, and it is not installed; apt install gnuplot-nox", flag, file.string()));
    std::error_code error;
    if (file.has_parent_path() && !fs::is_directory(file.parent_path(), error))
        throw std::runtime_error(
            fmt::format("{} {}: the directory {} does not exist", flag, file.string(), file.parent_path().string()));
}

std::string plot_script(const Convergence &whole, std::span<const analysis::OtherRun> others, const fs::path &file) {
    const std::vector<Panel> panels = panels_of(whole);
    const std::size_t in_a_row = panels.size() == 4 ? 2 : panels.size(), rows = panels.size() == 4 ? 2 : 1;
    const double width = panel_width * static_cast<double>(in_a_row);
    std::string script = "set encoding utf8\n" + data_of(panels, others);
    script += terminal_for(file, width, panel_height * static_cast<double>(rows)) + "\n";
    script += fmt::format("set output {}\n", gnuplot_quoted(file.string()));
    script += "set border 3 lc rgb '#444444'\nset tics nomirror out scale 0.5 tc rgb '#222222'\n"
              "set grid ytics lc rgb '#dddddd' lw 0.6 dt 1\nset xlabel 'step'\nset samples 1000\n"
              "set key top right samplen 3.2 spacing 1.15\n"
              "set logscale y\nset format y '%.3g'\nunset logscale y\n";
    script +=
        fmt::format("set multiplot layout {},{} title {}\n", rows, in_a_row,
                    gnuplot_quoted(fmt::format("{} on {}: {} seeds, mean and range", whole.session.model,
                                               fs::path(whole.session.data).filename().string(), whole.seeds.size())));
    const double line = file.extension() == ".png" ? 1.4 : 1.0;
    for (std::size_t p = 0; p < panels.size(); ++p) {
        script += axis_of(panels[p]);
        script += fmt::format("set title {} offset 0,-0.6\n", gnuplot_quoted(panels[p].title));
        const bool others_here = std::any_of(others.begin(), others.end(), [&](const analysis::OtherRun &other) {
            return other.curve.quantity == panels[p].quantity;
        });
        // One legend is enough, except where another run is drawn.
        if (p > 0 && !others_here)
            script += "unset key\n";
        else
            script += fmt::format("set key {} right\n",
                                  panels[p].quantity == trace::Quantity::held_out_accuracy ? "bottom" : "top");
        script += plot_of(panels[p], p, whole, others, line);
    }
    return script + "unset multiplot\nset output\n";
}

void draw_plot(const Convergence &convergence, std::span<const analysis::OtherRun> others, const fs::path &file) {
    // Drawn beside it and moved, so that a picture is never half of one; the extension tells the format and stays.
    const fs::path partial = file.parent_path() / (file.stem().string() + ".partial" + file.extension().string());
    std::error_code error;
    try {
        run_gnuplot(plot_script(convergence, others, partial));
    } catch (const std::runtime_error &failure) {
        fs::remove(partial, error);
        throw std::runtime_error(fmt::format("{}: {}", file.string(), failure.what()));
    }
    fs::rename(partial, file, error);
    if (error) throw std::runtime_error(fmt::format("Cannot write {}: {}.", file.string(), error.message()));
}

} // namespace halfscope::reports
