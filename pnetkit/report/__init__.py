"""What people read and look at: tables, figures, pages."""
