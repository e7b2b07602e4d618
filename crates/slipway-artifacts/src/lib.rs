//! Everything Slipway keeps as bytes: local artifact folders, with every path resolved inside its root.
