//! Charts drawn without a window: series to SVG and PNG by plotters.
