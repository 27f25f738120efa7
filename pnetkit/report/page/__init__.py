"""Pages that people look at: values in, one self-contained HTML file out. Nothing here knows runs or stores."""
