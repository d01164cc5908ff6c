from benchmarks.curvature import main

if __name__ == "__main__":
    main()
