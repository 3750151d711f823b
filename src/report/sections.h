// The sections of report.html, in the order in which they stand. Each writes nothing where it has
// nothing to say.
#pragma once

#include <span>

#include "planish/pipeline/auto.h"
#include "report/page.h"

namespace planish::report {

// auto_html.cc
void write_verdict(Page& page, const AutoReport& report);
void write_summary(Page& page, const AutoReport& report);

// speed_sections.cc
void write_distributions(Page& page, const AutoReport& report);
void write_end_to_end(Page& page, const AutoReport& report);
/// Threads, callers and batch: what each is worth, and the cells of the sweep.
void write_sweep(Page& page, const AutoReport& report);
/// By operator, before and after; nothing is after where `after` is empty.
void write_operator_times(Page& page, std::span<const OperatorTime> before,
                          std::span<const OperatorTime> after);

// accuracy_sections.cc
/// Of the outputs, and the worst samples with both answers.
void write_accuracy(Page& page, const AutoReport& report);
/// Histograms of the activations that 8 bits represent worst.
void write_tensors(Page& page, const AutoReport& report);
/// Whether the calibration samples are enough, and any good.
void write_calibration(Page& page, const AutoReport& report);

// choice_sections.cc
void write_candidates(Page& page, const AutoReport& report);
void write_front(Page& page, const AutoReport& report);

// layer_sections.cc
void write_layers(Page& page, const AutoReport& report);
void write_kept(Page& page, const AutoReport& report);
void write_reductions(Page& page, const AutoReport& report);

// end_sections.cc
/// What to know, and what to do next as commands.
void write_advice(Page& page, const AutoReport& report);
void write_provenance(Page& page, const AutoReport& report);

}  // namespace planish::report
